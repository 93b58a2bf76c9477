// The decoder of brotli as Swift imports it.
#ifndef CBROTLI_H
#define CBROTLI_H

#include <brotli/decode.h>

#endif
