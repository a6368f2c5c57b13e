/*
 * What fetching costs when nothing but the system calls is done: one thread, blocking keep-alive connections in a
 * ring, one buffer for each. A request is under way on every connection; the next one in the ring is read until its
 * body is whole, and is sent its next request. For files: open, fstat, pread, close.
 *
 * Does what lib/child.mjs does for the others: verifies, warms up, measures, prints one line of JSON.
 *
 * limit http PORT PREFIX LIST CONNECTIONS PIECE_BYTES BATCH VERIFY_BYTES VERIFY_OBJECTS WARM_SECONDS PASS_SECONDS
 * limit file FOLDER ... the same
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEAD_BYTES 16384

struct piece {
  char *request; /* or path */
  char *key;
  long request_bytes;
  long offset, length;
  uint32_t crc;
  unsigned char first, last;
};

struct connection {
  int socket;
  struct piece *piece; /* under way */
  unsigned char *buffer;
  double sent_at;
};

static struct piece *pieces;
static long piece_count, connection_count, piece_bytes;
static struct connection *ring;
static int over_http;
static uint32_t crc_table[8][256];
static float *latencies; /* of the measured pass; null before */
static long latency_count, bytes_seen;

static void fail(const char *why, const char *key) {
  fprintf(stderr, "c-limit: %s: %s\n", why, key);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void make_crc_table(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
    crc_table[0][i] = c;
  }
  for (uint32_t i = 0; i < 256; i++)
    for (int t = 1; t < 8; t++)
      crc_table[t][i] = crc_table[0][crc_table[t - 1][i] & 255] ^ (crc_table[t - 1][i] >> 8);
}

/* Eight bytes at a time; lengths are multiples of eight, and the machine is little-endian. */
static uint32_t crc32_of(const unsigned char *bytes, long length) {
  uint32_t c = ~0u;
  for (long at = 0; at < length; at += 8) {
    uint32_t low, high;
    memcpy(&low, bytes + at, 4);
    memcpy(&high, bytes + at + 4, 4);
    low ^= c;
    c = crc_table[7][low & 255] ^ crc_table[6][(low >> 8) & 255] ^ crc_table[5][(low >> 16) & 255] ^
        crc_table[4][low >> 24] ^ crc_table[3][high & 255] ^ crc_table[2][(high >> 8) & 255] ^
        crc_table[1][(high >> 16) & 255] ^ crc_table[0][high >> 24];
  }
  return ~c;
}

static void read_pieces(const char *list, const char *place, const char *prefix) {
  FILE *file = fopen(list, "r");
  if (file == NULL) fail("cannot open", list);
  char key[256], text[1024], range[64];
  long offset, length, object_bytes;
  unsigned long crc;
  unsigned first, last;
  long room = 0;
  while (fscanf(file, "%255s %ld %ld %ld %lu %u %u", key, &offset, &length, &object_bytes, &crc, &first, &last) == 7) {
    if (piece_count == room) pieces = realloc(pieces, (room = room * 2 + 64) * sizeof *pieces);
    range[0] = 0;
    if (length != object_bytes) snprintf(range, sizeof range, "Range: bytes=%ld-%ld\r\n", offset, offset + length - 1);
    long bytes =
        over_http ? snprintf(text, sizeof text, "GET %s/%s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n%s\r\n", prefix, key, place, range)
                  : snprintf(text, sizeof text, "%s/%s", place, key);
    pieces[piece_count++] =
        (struct piece){strdup(text), strdup(key), bytes, offset, length, (uint32_t)crc, first, last};
  }
  fclose(file);
  if (piece_count == 0) fail("no pieces in", list);
}

static void seen(struct piece *piece, const unsigned char *bytes, long length, int verify, double started_at) {
  int right = length == piece->length && bytes[0] == piece->first && bytes[length - 1] == piece->last;
  if (right && verify) right = crc32_of(bytes, length) == piece->crc;
  if (!right) {
    fprintf(stderr, "WRONG BYTES: c-limit, %s from %ld, %ld of %ld bytes\n", piece->key, piece->offset, length, piece->length);
    exit(3);
  }
  bytes_seen += length;
  if (latencies != NULL) latencies[latency_count++] = (now() - started_at) * 1e3;
}

static void open_ring(const char *port) {
  ring = calloc(connection_count, sizeof *ring);
  for (long i = 0; i < connection_count; i++) {
    ring[i].buffer = malloc(HEAD_BYTES + piece_bytes);
    if (!over_http) continue;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    ring[i].socket = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(ring[i].socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(ring[i].socket, (struct sockaddr *)&address, sizeof address) != 0) fail("cannot connect to", port);
  }
}

static void send_request(struct connection *at, struct piece *piece) {
  at->piece = piece;
  at->sent_at = latencies == NULL ? 0 : now();
  if (send(at->socket, piece->request, piece->request_bytes, 0) != piece->request_bytes) fail("cannot send", piece->key);
}

/* Head and body into the connection's buffer; the body begins where the head ends. */
static void receive(struct connection *at, int verify) {
  long have = 0, body = -1, want = 0;
  while (body < 0 || have < body + want) {
    long room = body < 0 ? HEAD_BYTES + piece_bytes - have : body + want - have;
    long got = recv(at->socket, at->buffer + have, room, 0);
    if (got <= 0) fail("the connection ended in", at->piece->key);
    have += got;
    if (body >= 0) continue;
    unsigned char *end = memmem(at->buffer, have, "\r\n\r\n", 4);
    if (end == NULL) continue;
    *end = 0;
    char *length = strcasestr((char *)at->buffer, "\r\nContent-Length:");
    if (memcmp(at->buffer, "HTTP/1.1 20", 11) != 0 || length == NULL) fail("unexpected answer for", at->piece->key);
    want = atol(length + 17);
    body = end + 4 - at->buffer;
    if (want > piece_bytes) fail("too long an answer for", at->piece->key);
  }
  seen(at->piece, at->buffer + body, want, verify, at->sent_at);
}

static void run_http(long from, long count, int verify) {
  long sent = 0;
  for (; sent < count && sent < connection_count; sent++) send_request(&ring[sent], &pieces[(from + sent) % piece_count]);
  for (long done = 0; done < count; done++) {
    struct connection *at = &ring[done % connection_count];
    receive(at, verify);
    if (sent < count) send_request(at, &pieces[(from + sent++) % piece_count]);
  }
}

static void run_file(long from, long count, int verify) {
  for (long i = 0; i < count; i++) {
    struct piece *piece = &pieces[(from + i) % piece_count];
    double start = latencies == NULL ? 0 : now();
    struct stat about;
    int file = open(piece->request, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &about) != 0) fail("cannot open", piece->request);
    long have = 0, got = 1;
    for (; have < piece->length && got > 0; have += got)
      got = pread(file, ring[0].buffer + have, piece->length - have, piece->offset + have);
    close(file);
    seen(piece, ring[0].buffer, have, verify, start);
  }
}

/* Seconds that it took. */
static double run(long from, long count, int verify) {
  double start = now();
  (over_http ? run_http : run_file)(from, count, verify);
  return now() - start;
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static double cpu_seconds(struct rusage *usage) {
  getrusage(RUSAGE_SELF, usage);
  return usage->ru_utime.tv_sec + usage->ru_stime.tv_sec + (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
  if (argc != 12) fail("twelve arguments are needed", argv[0]);
  over_http = strcmp(argv[1], "http") == 0;
  connection_count = atol(argv[5]);
  piece_bytes = atol(argv[6]);
  long batch = atol(argv[7]), verify_bytes = atol(argv[8]), verify_objects = atol(argv[9]);
  double warm_seconds = atof(argv[10]), pass_seconds = atof(argv[11]);
  make_crc_table();
  read_pieces(argv[4], argv[2], argv[3]);
  open_ring(argv[2]);
  long next = 0, bytes = 0;
  while (next < piece_count && next < verify_objects && bytes < verify_bytes) bytes += pieces[next++].length;
  if (next == 0) fail("nothing to verify in", argv[4]);
  double rate = next / run(0, next, 1);
  for (double seconds = 0; seconds < warm_seconds;) {
    long count = rate * (warm_seconds - seconds) + 1;
    if (count < batch) count = batch;
    double took = run(next, count, 0);
    next += count;
    seconds += took;
    rate = count / took;
  }
  long count = rate * pass_seconds;
  if (count < batch) count = batch;
  /* Touched before, or its page faults would be measured. */
  latencies = memset(malloc(count * sizeof *latencies), 1, count * sizeof *latencies);
  bytes_seen = 0;
  struct rusage usage;
  double cpu_before = cpu_seconds(&usage);
  double wall = run(next, count, 0);
  double cpu = cpu_seconds(&usage) - cpu_before;
  qsort(latencies, latency_count, sizeof *latencies, ascending);
  printf("{\"wallSeconds\":%.6f,\"cpuSeconds\":%.6f,\"objects\":%ld,\"bytes\":%ld,\"peakRssBytes\":%ld,"
         "\"p50Ms\":%.4f,\"p99Ms\":%.4f,\"eventLoopDelayP99Ms\":null}\n",
         wall, cpu, count, bytes_seen, usage.ru_maxrss * 1024, latencies[count / 2], latencies[count * 99 / 100]);
  return 0;
}
