// The direct SHA-256 calls: deprecated in favour of an interface that allocates on each use.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "COpenSSL.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

// The descriptor: a BIO whose data is the descriptor and whose flags, beside OpenSSL's own, are these.

enum { SOCKET_HOLDS_MORE = 0x100000, MORE_FOLLOWS = 0x200000, IS_HELD_BACK = 0x400000 };

static int descriptor_of(BIO *bio) { return (int)(intptr_t)BIO_get_data(bio); }

static bool should_retry(int error) { return error == EAGAIN || error == EINTR; }

/// Sends what MSG_MORE holds back; errno stays.
static void push(int descriptor) {
    int error = errno, one = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    errno = error;
}

static int socket_read(BIO *bio, char *bytes, int capacity) {
    ssize_t count = recv(descriptor_of(bio), bytes, (size_t)capacity, MSG_DONTWAIT);
    BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY | BIO_FLAGS_IN_EOF | SOCKET_HOLDS_MORE);
    if (count == capacity) BIO_set_flags(bio, SOCKET_HOLDS_MORE);
    if (count == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    if (count < 0 && should_retry(errno)) BIO_set_retry_read(bio);
    return (int)count;
}

static int socket_write(BIO *bio, const char *bytes, int count) {
    int more = BIO_test_flags(bio, MORE_FOLLOWS) ? MSG_MORE : 0;
    ssize_t sent = send(descriptor_of(bio), bytes, (size_t)count, MSG_DONTWAIT | MSG_NOSIGNAL | more);
    BIO_clear_retry_flags(bio);
    if (sent >= 0) {
        if (more) BIO_set_flags(bio, IS_HELD_BACK); else BIO_clear_flags(bio, IS_HELD_BACK);
    } else if (should_retry(errno)) {
        BIO_set_retry_write(bio);
        // What the kernel was told to hold back for us may be all that it has, and no room would come of waiting.
        if (BIO_test_flags(bio, IS_HELD_BACK)) push(descriptor_of(bio));
        BIO_clear_flags(bio, IS_HELD_BACK);
    }
    return (int)sent;
}

static long socket_control(BIO *bio, int command, long number, void *pointer) {
    (void)number, (void)pointer;
    switch (command) {
    case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    case BIO_CTRL_FLUSH: return 1;
    default: return 0;
    }
}

static BIO_METHOD *socket_method;

static void make_socket_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    if (method == NULL) return;
    BIO_meth_set_read(method, socket_read);
    BIO_meth_set_write(method, socket_write);
    BIO_meth_set_ctrl(method, socket_control);
    socket_method = method;
}

int co_set_descriptor(SSL *ssl, int descriptor) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_socket_method);
    BIO *bio = socket_method == NULL ? NULL : BIO_new(socket_method);
    if (bio == NULL) return 0;
    BIO_set_data(bio, (void *)(intptr_t)descriptor);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return 1;
}

bool co_has_unread(const SSL *ssl) {
    return SSL_has_pending(ssl) || BIO_test_flags(SSL_get_rbio(ssl), SOCKET_HOLDS_MORE) || (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

// Calls

/// The error queue is emptied before each call: SSL_get_error takes what an earlier one left there for its own.
static void prepare(void) {
    ERR_clear_error();
    errno = 0;
}

static co_outcome outcome(SSL *ssl, int result, size_t count) {
    co_outcome o = {.kind = SSL_ERROR_NONE, .count = count};
    if (result > 0) return o;
    o.system_error = errno;
    o.count = 0;
    o.kind = SSL_get_error(ssl, result);
    if (o.kind == SSL_ERROR_SSL || o.kind == SSL_ERROR_SYSCALL) o.code = ERR_peek_error();
    ERR_clear_error();
    return o;
}

co_outcome co_handshake(SSL *ssl) {
    prepare();
    return outcome(ssl, SSL_do_handshake(ssl), 0);
}

co_outcome co_read(SSL *ssl, void *bytes, size_t capacity) {
    size_t count = 0;
    prepare();
    int result = SSL_read_ex(ssl, bytes, capacity, &count);
    return outcome(ssl, result, count);
}

co_outcome co_write(SSL *ssl, const void *bytes, size_t count, bool more) {
    size_t written = 0;
    prepare();
    BIO *bio = SSL_get_wbio(ssl);
    // A handshake that this call makes first is waited for by the peer.
    if (more && SSL_is_init_finished(ssl)) BIO_set_flags(bio, MORE_FOLLOWS);
    int result = SSL_write_ex(ssl, bytes, count, &written);
    BIO_clear_flags(bio, MORE_FOLLOWS);
    return outcome(ssl, result, written);
}

bool co_shutdown(SSL *ssl) {
    prepare();
    int result = SSL_shutdown(ssl);
    bool waits = result < 0 && SSL_get_error(ssl, result) == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    return !waits;
}

// Facts as text

/// Appends what fits, with '?' for what is not printable; returns the new length.
static size_t append(char *text, size_t capacity, size_t length, const void *bytes, size_t count) {
    const unsigned char *from = bytes;
    for (size_t i = 0; i < count && length + 1 < capacity; i++) text[length++] = from[i] > 0x20 && from[i] < 0x7f ? (char)from[i] : from[i] == ' ' ? ' ' : '?';
    text[length] = 0;
    return length;
}

void co_name(const X509_NAME *name, char *text, size_t capacity) {
    if (capacity == 0) return;
    text[0] = 0;
    if (name == NULL) return;
    static const int kinds[] = {NID_commonName, NID_organizationName, NID_organizationalUnitName};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int at = X509_NAME_get_index_by_NID((X509_NAME *)name, kinds[i], -1);
        if (at < 0) continue;
        const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
        append(text, capacity, 0, ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
        return;
    }
}

void co_certificate_names(X509 *certificate, char *text, size_t capacity) {
    enum { MOST_NAMES = 6 }; // a shared host lists hundreds
    if (capacity == 0) return;
    text[0] = 0;
    size_t length = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names), shown = 0;
    for (int i = 0; i < count; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char address[INET6_ADDRSTRLEN];
        const void *bytes = NULL;
        size_t size = 0;
        if (name->type == GEN_DNS) {
            bytes = ASN1_STRING_get0_data(name->d.dNSName);
            size = (size_t)ASN1_STRING_length(name->d.dNSName);
        } else if (name->type == GEN_IPADD) {
            int bits = ASN1_STRING_length(name->d.iPAddress) * 8;
            int family = bits == 32 ? AF_INET : bits == 128 ? AF_INET6 : 0;
            if (family == 0 || inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), address, sizeof address) == NULL) continue;
            bytes = address;
            size = strlen(address);
        } else {
            continue;
        }
        if (shown == MOST_NAMES) {
            append(text, capacity, length, ", ...", 5);
            break;
        }
        if (shown++ > 0) length = append(text, capacity, length, ", ", 2);
        length = append(text, capacity, length, bytes, size);
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
}

void co_day(const ASN1_TIME *time, char *text, size_t capacity) {
    struct tm day;
    if (capacity == 0) return;
    text[0] = 0;
    if (time != NULL && ASN1_TIME_to_tm(time, &day) == 1 && strftime(text, capacity, "%Y-%m-%d", &day) == 0) text[0] = 0;
}

// Servers

static int select_http1(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_length, const unsigned char *offered, unsigned offered_length, void *unused) {
    (void)ssl, (void)unused;
    for (unsigned at = 0; at < offered_length && at + 1u + offered[at] <= offered_length; at += 1u + offered[at]) {
        if (offered[at] != 8 || memcmp(offered + at + 1, "http/1.1", 8) != 0) continue;
        *chosen = offered + at + 1;
        *chosen_length = 8;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void co_select_http1(SSL_CTX *context) { SSL_CTX_set_alpn_select_cb(context, select_http1, NULL); }

// Certificates of this side

static int no_passphrase(char *buffer, int size, int writing, void *unused) {
    (void)buffer, (void)size, (void)writing, (void)unused;
    return -1;
}

void co_never_ask(SSL_CTX *context) { SSL_CTX_set_default_passwd_cb(context, no_passphrase); }

// Digests

void co_sha256(const void *bytes, size_t count, void *digest) {
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, bytes, count);
    SHA256_Final(digest, &context);
}
