#include "COpenSSL.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <time.h>

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

co_outcome co_write(SSL *ssl, const void *bytes, size_t count) {
    size_t written = 0;
    prepare();
    int result = SSL_write_ex(ssl, bytes, count, &written);
    return outcome(ssl, result, written);
}

void co_shutdown(SSL *ssl) {
    prepare();
    SSL_shutdown(ssl);
    ERR_clear_error();
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
    return SSL_TLSEXT_ERR_NOACK;
}

void co_offer_http1(SSL_CTX *context) { SSL_CTX_set_alpn_select_cb(context, select_http1, NULL); }

static int no_passphrase(char *buffer, int size, int writing, void *unused) {
    (void)buffer, (void)size, (void)writing, (void)unused;
    return -1;
}

void co_never_ask(SSL_CTX *context) { SSL_CTX_set_default_passwd_cb(context, no_passphrase); }
