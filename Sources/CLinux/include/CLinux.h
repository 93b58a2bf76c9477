// What Swift cannot import or must not run: GNU-guarded calls, variadic functions, ancillary data, fork to exec.
// Every function returns -errno on failure and holds no policy.
#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>
#include <stdint.h>

/// An anonymous memory file of `size` bytes, sealed against resizing; inherited over exec only if a spawn hands it over.
int cl_memfd(const char *name, size_t size);

#endif
