// The floor under every proxy with sockets and epoll, for `bench.py cpu`: a relay that looks at no byte. Each client gets a connection to the
// upstream of its own; what is read from one end is sent to the other. For short messages: a connection whose socket does not take one at once is closed.
//
//     relay PORT UPSTREAM_PORT
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { most = 65536 };
static int other[most];  // the other end of each connection
static int poller;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int loopback(int port, int (*use)(int, const struct sockaddr *, socklen_t), const char *what) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || fd >= most || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 || use(fd, (struct sockaddr *)&address, sizeof address) < 0) fail(what);
    return fd;
}

static void watch(int fd, unsigned interest) {
    struct epoll_event event = {.events = interest, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

static void pair(int client, int upstream) {
    int on = 1;
    if (client < 0 || client >= most) fail("accept");
    other[client] = upstream;
    other[upstream] = client;
    for (int fd = client;; fd = upstream) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(fd, EPOLLIN | EPOLLET);
        if (fd == upstream) return;
    }
}

int main(int count, char **arguments) {
    static char bytes[128 << 10];
    struct epoll_event events[256];
    if (count != 3) return fputs("relay PORT UPSTREAM_PORT\n", stderr), 2;
    int listener = loopback(atoi(arguments[1]), bind, "bind");
    if (listen(listener, 4096) < 0) fail("listen");
    if ((poller = epoll_create1(0)) < 0) fail("epoll_create1");
    watch(listener, EPOLLIN);
    for (;;) {
        int ready = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                pair(accept(listener, NULL, NULL), loopback(atoi(arguments[2]), connect, "connect"));
                continue;
            }
            if (other[fd] < 0) continue;  // closed with its other end, earlier in this turn
            ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
            if (got < 0 && errno == EAGAIN) continue;
            if (got > 0 && send(other[fd], bytes, got, MSG_DONTWAIT | MSG_NOSIGNAL) == got) continue;
            int end = other[fd];
            other[fd] = other[end] = -1;
            close(fd);
            close(end);
        }
    }
}
