// OpenSSL as Swift imports it: its headers, and `static inline` wrappers for the macros that are in use.
#ifndef COPENSSL_H
#define COPENSSL_H

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#endif
