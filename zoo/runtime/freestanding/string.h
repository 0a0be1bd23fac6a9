/* What generated C takes from <string.h>, where there is no library: WebAssembly has instructions for it. */
#define memset __builtin_memset
#define memmove __builtin_memmove
#define memcpy __builtin_memcpy
