// What Swift cannot import or must not run: GNU-guarded calls, variadic functions, unions, ancillary data, fork to exec.
// Every function that can fail returns -errno, and holds no policy.
#ifndef CLINUX_H
#define CLINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

// Memory and descriptors

/// An anonymous memory file of `size` bytes, sealed against resizing, close-on-exec.
int cl_memfd(const char *name, size_t size);
/// Makes a descriptor non-blocking (it stays as it is otherwise).
int cl_set_nonblocking(int fd);
/// Closes a descriptor on exec (it stays as it is otherwise).
void cl_set_close_on_exec(int fd);
/// Opens a file for appending, made with mode 0640 if need be; close-on-exec. The descriptor, or -errno.
int cl_open_append(const char *path);
/// Whether a descriptor is a Unix socket.
bool cl_local_socket(int fd);
/// Grows a socket's send and receive buffers towards `bytes` (the kernel caps them).
void cl_set_buffers(int fd, int bytes);
/// Monotonic time in nanoseconds.
uint64_t cl_monotonic_ns(void);
/// Wall-clock time in nanoseconds since 1970.
uint64_t cl_realtime_ns(void);
/// Fills `buffer` with random bytes; at most 256.
int cl_random(void *buffer, size_t length);

// Readiness

enum {
    CL_READABLE = 0x001,   // EPOLLIN
    CL_WRITABLE = 0x004,   // EPOLLOUT
    CL_ERROR = 0x008,      // EPOLLERR
    CL_HANGUP = 0x010,     // EPOLLHUP
    CL_PEER_CLOSED = 0x2000, // EPOLLRDHUP
};
#define CL_EDGE_TRIGGERED 0x80000000u // EPOLLET

typedef struct {
    uint32_t readiness;
    uint64_t token;
}
#ifdef __x86_64__
__attribute__((packed)) // as the kernel's own is there, and there only
#endif
cl_event; // the layout of epoll_event

int cl_epoll_create(void);
int cl_epoll_add(int epoll, int fd, uint32_t interest, uint64_t token);
int cl_epoll_modify(int epoll, int fd, uint32_t interest, uint64_t token);
int cl_epoll_remove(int epoll, int fd);
/// Number of events, or -errno; -EINTR is reported as 0 events.
int cl_epoll_wait(int epoll, cl_event *events, int capacity, int timeout_ms);

/// Blocks the signals of `numbers` and gives a descriptor that reports them.
int cl_signal_descriptor(const int *numbers, int count);
/// The next signal's number; 0 when there is none.
int cl_signal_read(int fd);
/// Ignores SIGPIPE.
void cl_ignore_sigpipe(void);
/// An event descriptor for wake-ups from other threads.
int cl_wakeup_descriptor(void);
void cl_wakeup_signal(int fd);
void cl_wakeup_clear(int fd);

// Sockets

/// A connected pair of stream Unix sockets, non-blocking, close-on-exec.
int cl_socket_pair(int ends[2]);
/// A listening TCP socket on a numeric address; `port` 0 picks a free one. Non-blocking, close-on-exec.
int cl_listen_tcp(const char *address, uint16_t port, int backlog);
/// A listening Unix socket with mode 0600; a stale one nobody listens on is replaced, a live one and a file of another
/// kind give -EADDRINUSE.
int cl_listen_unix(const char *path, int backlog);
/// The port that a TCP socket is bound to, or -errno.
int cl_local_port(int fd);
/// Whether a descriptor is a TCP socket that listens at just this numeric address and port.
bool cl_listens_at(int fd, const char *address, uint16_t port);
/// A new connection, non-blocking, close-on-exec; `address` (at least 46 bytes) gets the peer's numeric address or "" for Unix.
/// `loopback` tells whether the peer is this machine.
int cl_accept(int listener, char *address, size_t capacity, bool *loopback);
/// Begins to connect to a numeric address; 0 with `*fd` set when connected or in progress (`*pending`).
int cl_connect_tcp(const char *address, uint16_t port, int *fd, bool *pending);
int cl_connect_unix(const char *path, int *fd, bool *pending);
/// The pending error of a socket as -errno, 0 when none.
int cl_socket_error(int fd);
void cl_set_nodelay(int fd);
/// Closing the socket will reset the connection (RFC 9293 §3.10.4), so that the peer sees a cut.
void cl_reset_on_close(int fd);
/// The user id of a Unix socket's peer, or -errno.
int cl_peer_user(int fd);
/// send() with MSG_NOSIGNAL | MSG_DONTWAIT; bytes or -errno.
ssize_t cl_send(int fd, const void *bytes, size_t count);
/// sendmsg() of several pieces with MSG_NOSIGNAL | MSG_DONTWAIT; bytes or -errno.
ssize_t cl_send_vector(int fd, const struct iovec *pieces, int count);
/// recv() with MSG_DONTWAIT; bytes, 0 at the end, or -errno.
ssize_t cl_receive(int fd, void *bytes, size_t capacity);
/// Sends `count` bytes with `descriptor_count` (at most 8) descriptors; bytes or -errno.
ssize_t cl_send_descriptors(int fd, const void *bytes, size_t count, const int *descriptors, int descriptor_count);
/// Receives bytes and descriptors (close-on-exec); `*descriptor_count` in: capacity (at most 8), out: number received.
ssize_t cl_receive_descriptors(int fd, void *bytes, size_t capacity, int *descriptors, int *descriptor_count);
/// Numeric addresses of a host name, up to `capacity`, 46 bytes each; number found or -1 (message in *why). Blocks.
int cl_resolve(const char *host, char (*addresses)[46], int capacity, const char **why);

// Processes

typedef struct {
    int executable;              ///< descriptor of the program
    const char *const *arguments;   ///< null-terminated
    const char *const *environment; ///< null-terminated
    const int *descriptors;      ///< descriptors[i] becomes 3 + i; -1 leaves that number closed
    int descriptor_count;
    int standard_error;          ///< becomes 1 and 2; 0 is /dev/null
    int nice;                    ///< added niceness, 0 for none
    unsigned slice_microseconds; ///< of CPU time that is asked for at once, 0 for the kernel's usual one
    int parent;                  ///< process that must still be the parent
} cl_spawn_request;

/// Forks and executes; the child is the leader of its own process group and dies with its parent. Returns the
/// process id, or -errno of fork or of anything up to exec. Main thread only (the parent-death signal follows the thread).
int cl_spawn(const cl_spawn_request *request, int *pidfd);
/// Reaps a child. 1: ended, with `*exit_code` or `*signal` set; 0: still runs; -errno.
int cl_reap(int pid, int *exit_code, int *signal);
/// Signals a process group.
int cl_signal_group(int pid, int signal);
/// Closes every descriptor from `first` on.
void cl_close_from(int first);
/// Raises the soft limit of open files to the hard one; the limit then in force.
int cl_raise_file_limit(void);
/// Opens a program for cl_spawn: -errno if it is not there or not executable.
int cl_open_executable(const char *path);
/// The name that `ps` and `top` show for this thread, or process when it is the first (15 bytes).
void cl_set_process_name(const char *name);
/// The path of the running executable; its length, or -errno.
int cl_executable_path(char *buffer, size_t capacity);

#endif
