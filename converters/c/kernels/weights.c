/* Whether a file of weights is for this code: 0, or why not. Its head is a magic, the code's key, the bytes of
   constants and of the record after them, a version, zeros, and a checksum of all but itself: FNV-1a over words. */
KERNEL int check_weights(const void *file, size_t bytes, uint64_t key, uint64_t constants)
{
    const unsigned char *from = file;
    uint64_t head[8], sum = 0xcbf29ce484222325u;
    if (bytes < sizeof head) return 1;
    memcpy(head, from, sizeof head);
    if (head[0] != 0x574f4f5a48435053u) return 1; /* SPCHZOOW */
    if (head[1] != key || head[2] != constants || head[4] != 1) return 3;
    if (bytes % 8 || bytes - sizeof head < constants || bytes - sizeof head - constants != head[3]) return 2;
    for (size_t at = 0; at < bytes; at += 8) {
        uint64_t word;
        if (at == 56) continue; /* the checksum */
        memcpy(&word, from + at, 8);
        sum = (sum ^ word) * 0x100000001b3u;
        sum ^= sum >> 32;
    }
    return sum == head[7] ? 0 : 4;
}
