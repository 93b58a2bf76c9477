// OpenSSL as Swift imports it: its headers, `static inline` wrappers for the macros that are in use, and what is shorter in
// C: the way to the descriptor, one call with its error taken before anything else can disturb it, a certificate's facts as text.
#ifndef COPENSSL_H
#define COPENSSL_H

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

// Macros

static inline int co_require_tls12(SSL_CTX *context) { return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION); }

/// Short writes instead of all or nothing, retries from another address, no buffers while idle; one read per record
/// instead of two; no renegotiation.
static inline void co_set_modes(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
}

/// Sessions go to the new-session callback and are kept nowhere else.
static inline void co_keep_sessions_outside(SSL_CTX *context) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
}

static inline int co_set_server_name(SSL *ssl, const char *name) { return (int)SSL_set_tlsext_host_name(ssl, name); }
static inline int co_set_owner(SSL *ssl, void *owner) { return SSL_set_app_data(ssl, owner); }
static inline void *co_owner(const SSL *ssl) { return SSL_get_app_data(ssl); }

// The descriptor

/// Reads from and writes to a non-blocking socket, which stays the caller's. Beside what OpenSSL's own socket BIO does, it
/// knows whether a read has emptied the socket, and can tell the kernel that more follows. 1, or 0 without memory.
int co_set_descriptor(SSL *ssl, int descriptor);
/// Whether a read finds something without a new readiness: bytes held here, or left in the socket by the last read.
bool co_has_unread(const SSL *ssl);

// Calls

/// What came of a call: `kind` is SSL_ERROR_…, `count` the bytes moved, the rest says why it failed.
typedef struct {
    int kind;
    int system_error;
    size_t count;
    unsigned long code;
} co_outcome;

co_outcome co_handshake(SSL *ssl);
co_outcome co_read(SSL *ssl, void *bytes, size_t capacity);
/// `more`: other bytes follow at once, so that the kernel fills its segments (MSG_MORE).
co_outcome co_write(SSL *ssl, const void *bytes, size_t count, bool more);
/// Sends close_notify; false when that has to wait for the descriptor.
bool co_shutdown(SSL *ssl);

// Facts as text: printable ASCII only, since they end up in logs; always terminated.

/// The names that a certificate is for ("a.example, 192.0.2.1"); empty when it lists none.
void co_certificate_names(X509 *certificate, char *text, size_t capacity);
/// A distinguished name by its common name, else its organisation.
void co_name(const X509_NAME *name, char *text, size_t capacity);
/// A day, "2024-12-31".
void co_day(const ASN1_TIME *time, char *text, size_t capacity);

// Digests

/// `digest` has room for 32 bytes. Without the look-up of an implementation that each call of SHA256() makes.
void co_sha256(const void *bytes, size_t count, void *digest);

// Servers

/// Agrees on "http/1.1" when the client offers it; refuses clients that offer only something else (RFC 7301, 3.2).
void co_select_http1(SSL_CTX *context);
/// Sessions live in the clients' tickets only: this side keeps nothing for clients that are gone.
static inline void co_keep_no_sessions(SSL_CTX *context) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 1);
}

// Certificates of this side

/// Refuses keys that need a passphrase instead of asking for one on the terminal.
void co_never_ask(SSL_CTX *context);

#endif
