// Many WebSocket clients in one process, for `bench.py broadcast`: opens them, counts what arrives and when.
//
//     listeners PORT PATH CLIENTS STALLED EVENTS
//
// Says `open` when all are connected and `event K` when every client that reads has its Kth long message (1,024 bytes or more;
// greetings and updates are shorter). Pings, which are empty, are answered. STALLED clients more are opened and never read. After EVENTS events a line with the time of
// deliveries in µs, counted from the first one of the same event: `deliveries N p50 X p99 X max X`.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    int fd, events;
    unsigned char head[10];  // of the present frame
    int head_count;
    uint64_t left;  // of its payload
    int in_head, is_long;
} client;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int connect_one(int port, const char *path) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
    char text[512];
    int length = snprintf(text, sizeof text,
        "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path);
    if (write(fd, text, (size_t)length) != length) fail("write");
    // The head is read byte by byte: frames may follow it at once.
    for (size_t used = 0;;) {
        if (used == sizeof text - 1 || read(fd, text + used, 1) != 1) fail("handshake");
        used++;
        if (used >= 4 && memcmp(text + used - 4, "\r\n\r\n", 4) == 0) break;
    }
    if (memcmp(text, "HTTP/1.1 101", 12) != 0) fail("refused");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

int main(int count, char **arguments) {
    if (count != 6) return 64;
    int port = atoi(arguments[1]), clients = atoi(arguments[3]), stalled = atoi(arguments[4]), events = atoi(arguments[5]);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    client *all = calloc((size_t)clients, sizeof *all);
    uint64_t *times = calloc((size_t)clients * (size_t)events, sizeof *times), *first = calloc((size_t)events, sizeof *first);
    int *arrived = calloc((size_t)events, sizeof *arrived), epoll = epoll_create1(0);
    for (int i = 0; i < stalled; i++) connect_one(port, arguments[2]);
    for (int i = 0; i < clients; i++) {
        all[i].fd = connect_one(port, arguments[2]);
        all[i].in_head = 1;
        struct epoll_event interest = {.events = EPOLLIN | EPOLLET, .data.ptr = &all[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &interest);
    }
    printf("open\n");
    fflush(stdout);
    static unsigned char buffer[1 << 16];
    for (int done = 0; done < events;) {
        struct epoll_event ready[256];
        int n = epoll_wait(epoll, ready, 256, 30000);
        if (n == 0) fail("nothing came for 30 s");
        for (int r = 0; r < n; r++) {
            client *c = ready[r].data.ptr;
            for (;;) {
                ssize_t got = read(c->fd, buffer, sizeof buffer);
                if (got == 0) fail("closed");
                if (got < 0) {
                    if (errno == EAGAIN) break;
                    fail("read");
                }
                uint64_t at = now();
                for (unsigned char *p = buffer, *end = buffer + got; p < end;) {
                    if (c->in_head) {
                        c->head[c->head_count++] = *p++;
                        if (c->head_count < 2) continue;
                        int size = c->head[1] & 127, wide = size == 126 ? 2 : size == 127 ? 8 : 0;
                        if (c->head_count < 2 + wide) continue;
                        c->left = wide ? 0 : (uint64_t)size;
                        for (int i = 0; i < wide; i++) c->left = c->left << 8 | c->head[2 + i];
                        c->is_long = c->left >= 1024;
                        if ((c->head[0] & 15) == 9 && write(c->fd, "\x8A\x80\0\0\0\0", 6) != 6) fail("pong");
                        c->in_head = 0;
                    } else {
                        uint64_t part = (uint64_t)(end - p) < c->left ? (uint64_t)(end - p) : c->left;
                        c->left -= part;
                        p += part;
                    }
                    if (!c->in_head && c->left == 0) {
                        c->in_head = 1;
                        c->head_count = 0;
                        if (!c->is_long || c->events == events) continue;
                        int k = c->events++;
                        if (arrived[k]++ == 0) first[k] = at;
                        times[(size_t)k * (size_t)clients + (size_t)(c - all)] = at;
                        if (arrived[k] == clients) {
                            printf("event %d\n", ++done);
                            fflush(stdout);
                        }
                    }
                }
                if (got < (ssize_t)sizeof buffer) break;
            }
        }
    }
    size_t total = (size_t)clients * (size_t)events;
    uint32_t *spans = malloc(total * sizeof *spans);
    for (size_t i = 0; i < total; i++) spans[i] = (uint32_t)(times[i] - first[i / (size_t)clients]);
    qsort(spans, total, sizeof *spans, compare);
    printf("deliveries %zu p50 %u p99 %u max %u\n", total, spans[total / 2], spans[total * 99 / 100], spans[total - 1]);
    fflush(stdout);
    getchar();  // the connections stay until the bench has looked at the server
    return 0;
}
