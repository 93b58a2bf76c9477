#define _GNU_SOURCE
#include "CLinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(cl_event) == sizeof(struct epoll_event), "cl_event has the layout of epoll_event");

// Memory and descriptors

int cl_memfd(const char *name, size_t size) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    if (ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int e = errno;
        close(fd);
        return -e;
    }
    return fd;
}

int cl_set_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
    return 0;
}

void cl_set_close_on_exec(int fd) { fcntl(fd, F_SETFD, FD_CLOEXEC); }

int cl_open_append(const char *path) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    return fd < 0 ? -errno : fd;
}

bool cl_local_socket(int fd) {
    int domain = 0;
    socklen_t length = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX;
}

void cl_set_buffers(int fd, int bytes) {
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

static uint64_t nanoseconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t cl_monotonic_ns(void) { return nanoseconds(CLOCK_MONOTONIC); }
uint64_t cl_realtime_ns(void) { return nanoseconds(CLOCK_REALTIME); }

int cl_random(void *buffer, size_t length) {
    return getrandom(buffer, length, 0) == (ssize_t)length ? 0 : -EIO;
}

// Readiness

int cl_epoll_create(void) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int control(int epoll, int operation, int fd, uint32_t interest, uint64_t token) {
    struct epoll_event event = {.events = interest, .data.u64 = token};
    return epoll_ctl(epoll, operation, fd, &event) < 0 ? -errno : 0;
}

int cl_epoll_add(int epoll, int fd, uint32_t interest, uint64_t token) { return control(epoll, EPOLL_CTL_ADD, fd, interest, token); }
int cl_epoll_modify(int epoll, int fd, uint32_t interest, uint64_t token) { return control(epoll, EPOLL_CTL_MOD, fd, interest, token); }
int cl_epoll_remove(int epoll, int fd) { return control(epoll, EPOLL_CTL_DEL, fd, 0, 0); }

int cl_epoll_wait(int epoll, cl_event *events, int capacity, int timeout_ms) {
    int n = epoll_wait(epoll, (struct epoll_event *)events, capacity, timeout_ms);
    if (n < 0) return errno == EINTR ? 0 : -errno;
    return n;
}

int cl_signal_descriptor(const int *numbers, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) sigaddset(&set, numbers[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int cl_signal_read(int fd) {
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

void cl_ignore_sigpipe(void) { signal(SIGPIPE, SIG_IGN); }

int cl_wakeup_descriptor(void) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void cl_wakeup_signal(int fd) {
    uint64_t one = 1;
    ssize_t ignored = write(fd, &one, sizeof one);
    (void)ignored;
}

void cl_wakeup_clear(int fd) {
    uint64_t count;
    ssize_t ignored = read(fd, &count, sizeof count);
    (void)ignored;
}

// Sockets

int cl_socket_pair(int ends[2]) {
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0 ? -errno : 0;
}

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
} address_union;

/// Fills `out` from a numeric address ("127.0.0.1", "::1", with or without brackets); its length, or 0.
static socklen_t parse_address(const char *text, uint16_t port, address_union *out) {
    memset(out, 0, sizeof *out);
    char inner[46];
    size_t length = strlen(text);
    bool bracketed = length > 2 && length - 2 < sizeof inner && text[0] == '[' && text[length - 1] == ']';
    if (bracketed) {
        memcpy(inner, text + 1, length - 2);
        inner[length - 2] = 0;
        text = inner;
    }
    if (!bracketed && inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        return sizeof out->v4;
    }
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        return sizeof out->v6;
    }
    return 0;
}

static int close_with(int fd, int error) {
    close(fd);
    return -error;
}

int cl_listen_tcp(const char *address, uint16_t port, int backlog) {
    address_union where;
    socklen_t length = parse_address(address, port, &where);
    if (length == 0) return -EINVAL;
    int fd = socket(where.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, &where.any, length) < 0 || listen(fd, backlog) < 0) return close_with(fd, errno);
    return fd;
}

/// Fills `out` from a path; 0 or -errno. An empty one would be an abstract name, which every user may connect to.
static int unix_address(const char *path, address_union *out) {
    memset(out, 0, sizeof *out);
    if (path[0] == 0) return -ENOENT;
    if (strlen(path) >= sizeof out->local.sun_path) return -ENAMETOOLONG;
    out->local.sun_family = AF_UNIX;
    strcpy(out->local.sun_path, path);
    return 0;
}

/// Whether `path` is a socket that nobody listens on. A file of another kind refuses connections too, and is somebody's.
static bool is_stale(const char *path, const address_union *where) {
    struct stat status;
    if (lstat(path, &status) < 0 || !S_ISSOCK(status.st_mode)) return false;
    // Non-blocking: a live listener whose backlog is full answers EAGAIN.
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) return false;
    bool refused = connect(probe, &where->any, sizeof where->local) < 0 && errno == ECONNREFUSED;
    close(probe);
    return refused;
}

int cl_listen_unix(const char *path, int backlog) {
    address_union where;
    int wrong = unix_address(path, &where);
    if (wrong != 0) return wrong;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    mode_t mask = umask(0177);
    int bound = bind(fd, &where.any, sizeof where.local) < 0 ? errno : 0;
    if (bound == EADDRINUSE && is_stale(path, &where) && unlink(path) == 0) {
        bound = bind(fd, &where.any, sizeof where.local) < 0 ? errno : 0;
    }
    umask(mask);
    if (bound != 0) return close_with(fd, bound);
    if (listen(fd, backlog) < 0) return close_with(fd, errno);
    return fd;
}

int cl_local_port(int fd) {
    address_union where;
    socklen_t length = sizeof where;
    if (getsockname(fd, &where.any, &length) < 0) return -errno;
    if (where.any.sa_family == AF_INET) return ntohs(where.v4.sin_port);
    if (where.any.sa_family == AF_INET6) return ntohs(where.v6.sin6_port);
    return -EAFNOSUPPORT;
}

bool cl_listens_at(int fd, const char *address, uint16_t port) {
    address_union wanted, where;
    socklen_t length = sizeof where;
    int listening = 0;
    socklen_t size = sizeof listening;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening) return false;
    if (parse_address(address, port, &wanted) == 0 || getsockname(fd, &where.any, &length) < 0) return false;
    if (where.any.sa_family != wanted.any.sa_family) return false;
    if (where.any.sa_family == AF_INET) return where.v4.sin_port == wanted.v4.sin_port && where.v4.sin_addr.s_addr == wanted.v4.sin_addr.s_addr;
    return where.v6.sin6_port == wanted.v6.sin6_port && memcmp(&where.v6.sin6_addr, &wanted.v6.sin6_addr, sizeof where.v6.sin6_addr) == 0;
}

int cl_accept(int listener, char *address, size_t capacity, bool *loopback) {
    address_union peer;
    socklen_t length = sizeof peer;
    int fd = accept4(listener, &peer.any, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return -errno;
    if (capacity > 0) address[0] = 0;
    *loopback = false;
    if (peer.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &peer.v4.sin_addr, address, (socklen_t)capacity);
        *loopback = (ntohl(peer.v4.sin_addr.s_addr) >> 24) == 127;
    } else if (peer.any.sa_family == AF_INET6) {
        if (IN6_IS_ADDR_V4MAPPED(&peer.v6.sin6_addr)) {
            inet_ntop(AF_INET, peer.v6.sin6_addr.s6_addr + 12, address, (socklen_t)capacity);
            *loopback = peer.v6.sin6_addr.s6_addr[12] == 127;
        } else {
            inet_ntop(AF_INET6, &peer.v6.sin6_addr, address, (socklen_t)capacity);
            *loopback = IN6_IS_ADDR_LOOPBACK(&peer.v6.sin6_addr);
        }
    } else {
        *loopback = true;
    }
    return fd;
}

static int begin_connect(address_union *where, socklen_t length, int *fd, bool *pending) {
    int s = socket(where->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0) return -errno;
    *pending = false;
    if (connect(s, &where->any, length) < 0) {
        // A Unix socket whose backlog is full answers EAGAIN: that is a failure, not a connection under way.
        if (errno != EINPROGRESS) return close_with(s, errno);
        *pending = true;
    }
    *fd = s;
    return 0;
}

int cl_connect_tcp(const char *address, uint16_t port, int *fd, bool *pending) {
    address_union where;
    socklen_t length = parse_address(address, port, &where);
    if (length == 0) return -EINVAL;
    return begin_connect(&where, length, fd, pending);
}

int cl_connect_unix(const char *path, int *fd, bool *pending) {
    address_union where;
    int wrong = unix_address(path, &where);
    if (wrong != 0) return wrong;
    return begin_connect(&where, sizeof where.local, fd, pending);
}

int cl_socket_error(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -errno;
    return -error;
}

void cl_set_nodelay(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void cl_reset_on_close(int fd) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

int cl_peer_user(int fd) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return -errno;
    return (int)credentials.uid;
}

ssize_t cl_send(int fd, const void *bytes, size_t count) {
    ssize_t n = send(fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

ssize_t cl_send_vector(int fd, const struct iovec *pieces, int count) {
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)count};
    ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

ssize_t cl_receive(int fd, void *bytes, size_t capacity) {
    ssize_t n = recv(fd, bytes, capacity, MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

enum { MOST_DESCRIPTORS = 8 };

ssize_t cl_send_descriptors(int fd, const void *bytes, size_t count, const int *descriptors, int descriptor_count) {
    if (descriptor_count < 0 || descriptor_count > MOST_DESCRIPTORS) return -EINVAL;
    struct iovec piece = {.iov_base = (void *)bytes, .iov_len = count};
    _Alignas(struct cmsghdr) char ancillary[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))] = {0};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (descriptor_count > 0) {
        size_t size = (size_t)descriptor_count * sizeof(int);
        message.msg_control = ancillary;
        message.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(header), descriptors, size);
    }
    ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

ssize_t cl_receive_descriptors(int fd, void *bytes, size_t capacity, int *descriptors, int *descriptor_count) {
    int room = *descriptor_count < MOST_DESCRIPTORS ? *descriptor_count : MOST_DESCRIPTORS;
    *descriptor_count = 0;
    struct iovec piece = {.iov_base = bytes, .iov_len = capacity};
    _Alignas(struct cmsghdr) char ancillary[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = ancillary, .msg_controllen = sizeof ancillary};
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0) return -errno;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h != NULL; h = CMSG_NXTHDR(&message, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
        size_t received = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < received; i++) {
            int one;
            memcpy(&one, CMSG_DATA(h) + i * sizeof(int), sizeof one);
            if (*descriptor_count < room) descriptors[(*descriptor_count)++] = one;
            else close(one);
        }
    }
    return n;
}

int cl_resolve(const char *host, char (*addresses)[46], int capacity, const char **why) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found = NULL;
    int code = getaddrinfo(host, NULL, &hints, &found);
    // Without any configured address but loopback, AI_ADDRCONFIG finds nothing for local names.
    if (code != 0) {
        hints.ai_flags = 0;
        code = getaddrinfo(host, NULL, &hints, &found);
    }
    if (code != 0) {
        *why = gai_strerror(code);
        return -1;
    }
    int count = 0;
    for (struct addrinfo *a = found; a != NULL && count < capacity; a = a->ai_next) {
        const void *raw = a->ai_family == AF_INET    ? (void *)&((struct sockaddr_in *)a->ai_addr)->sin_addr
                          : a->ai_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr
                                                     : NULL;
        if (raw != NULL && inet_ntop(a->ai_family, raw, addresses[count], 46) != NULL) count++;
    }
    freeaddrinfo(found);
    return count;
}

// Processes

/// Best effort: before Linux 6.12 there are no slices of one's own, and a filter of system calls may refuse it.
static void ask_for_slice(unsigned microseconds) {
    // struct sched_attr, version 0: the C library has it only since glibc 2.41.
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes = {.size = 48, .nice = getpriority(PRIO_PROCESS, 0), .runtime = microseconds * UINT64_C(1000)};
    int error = errno;
    syscall(SYS_sched_setattr, 0, &attributes, 0);
    errno = error;
}

/// In the child, between fork and exec: async-signal-safe calls only. Returns only on failure, with errno set.
/// `*report` is moved out of the way of what is handed over; a successful exec closes it.
static void become(const cl_spawn_request *r, int *report) {
    sigset_t none;
    if (setpgid(0, 0) < 0) return;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return;
    if (getppid() != r->parent) _exit(0); // the parent ended before the death signal was armed
    errno = 0;
    if (r->nice != 0 && nice(r->nice) == -1 && errno != 0) return;
    if (r->slice_microseconds != 0) ask_for_slice(r->slice_microseconds);

    // Move what is handed over above every target first, so that no target (0…2 are some too) overwrites a source.
    int count = r->descriptor_count, program_at = 3 + count, report_at = program_at + 1, above = report_at + 1;
    int moved[64];
    if (count < 0 || count > 64) {
        errno = E2BIG;
        return;
    }
    int moved_report = fcntl(*report, F_DUPFD_CLOEXEC, above);
    if (moved_report < 0) return;
    *report = moved_report;
    for (int i = 0; i < count; i++) {
        moved[i] = r->descriptors[i] < 0 ? -1 : fcntl(r->descriptors[i], F_DUPFD, above);
        if (r->descriptors[i] >= 0 && moved[i] < 0) return;
    }
    int program = fcntl(r->executable, F_DUPFD_CLOEXEC, above);
    int output = fcntl(r->standard_error, F_DUPFD, above);
    int opened = open("/dev/null", O_RDONLY), null = fcntl(opened, F_DUPFD, above);
    if (program < 0 || output < 0 || null < 0) return;
    if (dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) return;
    for (int i = 0; i < count; i++) {
        if (moved[i] < 0) close(3 + i);
        else if (dup2(moved[i], 3 + i) < 0) return;
    }
    if (dup3(program, program_at, O_CLOEXEC) < 0 || dup3(moved_report, report_at, O_CLOEXEC) < 0) return;
    *report = report_at;
    if (syscall(SYS_close_range, report_at + 1, ~0u, 0) < 0) return; // rather no child than one with our descriptors

    for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    fexecve(program_at, (char *const *)r->arguments, (char *const *)r->environment);
}

int cl_spawn(const cl_spawn_request *request, int *pidfd) {
    // The child reports what failed through a pipe that a successful exec closes.
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0) return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        become(request, &report[1]);
        int error = errno;
        ssize_t ignored = write(report[1], &error, sizeof error);
        (void)ignored;
        _exit(127);
    }
    int fork_error = errno;
    close(report[1]);
    if (pid < 0) {
        close(report[0]);
        return -fork_error;
    }
    int error = 0;
    ssize_t n;
    do n = read(report[0], &error, sizeof error);
    while (n < 0 && errno == EINTR);
    close(report[0]);
    if (n != (ssize_t)sizeof error) {
        *pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (*pidfd >= 0) return pid;
        error = errno;
        kill(pid, SIGKILL); // nobody would notice its end
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    return -error;
}

int cl_reap(int pid, int *exit_code, int *signal_number) {
    int status = 0;
    pid_t found = waitpid(pid, &status, WNOHANG);
    if (found < 0) return -errno;
    if (found == 0) return 0;
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    *signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return 1;
}

int cl_signal_group(int pid, int number) {
    if (pid <= 1) return -EINVAL; // 0 would be our own group, 1 everybody
    return kill(-pid, number) < 0 ? -errno : 0;
}

void cl_close_from(int first) { syscall(SYS_close_range, (unsigned)first, ~0u, 0); }

int cl_raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > INT32_MAX ? INT32_MAX : (int)limit.rlim_cur;
}

int cl_open_executable(const char *path) {
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return -errno;
    if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0) return close_with(fd, errno);
    return fd;
}

void cl_set_process_name(const char *name) { prctl(PR_SET_NAME, name); }

int cl_executable_path(char *buffer, size_t capacity) {
    ssize_t n = readlink("/proc/self/exe", buffer, capacity - 1);
    if (n < 0) return -errno;
    buffer[n] = 0;
    return (int)n;
}
