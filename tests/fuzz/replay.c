/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target without libFuzzer: its seeds, the files given (what a fuzzer once found), and
 * seeded changes of both. `--seeds FOLDER` writes the seeds there for libFuzzer instead. */
#include "core/base/hash.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1u << 20)
#define CHANGES 20000 /* of each input */

static void try_once(struct pv_str bytes)
{
    /* A block of its own, of this very size: a byte too far is seen by ASan. */
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    if (copy == NULL) {
        exit(2);
    }
    if (bytes.len > 0) {
        memcpy(copy, bytes.ptr, bytes.len);
    }
    FUZZ_CHECK(LLVMFuzzerTestOneInput(copy, bytes.len) == 0);
    free(copy);
}

/* One change of a kind that finds things: a bit, a byte, a cut, a repeated or a removed piece. */
static void change(struct pv_buf *input, const struct pv_rng *rng)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x7F, 0x80, 0xFF, '"',
                                    '\\', '{',  '[',  ',',  '0',  '-'};
    size_t at = (size_t)pv_rng_below(rng, input->len);
    size_t piece = 1 + (size_t)pv_rng_below(rng, 16);
    char copy[16];
    switch (pv_rng_below(rng, 5)) {
    case 0:
        input->ptr[at] = (char)(input->ptr[at] ^ (1 << pv_rng_below(rng, 8)));
        break;
    case 1:
        input->ptr[at] = (char)edges[pv_rng_below(rng, sizeof(edges))];
        break;
    case 2:
        input->len = at;
        break;
    case 3:
        piece = piece < input->len - at ? piece : input->len - at;
        memcpy(copy, input->ptr + at, piece);
        pv_buf_put(input, copy, piece);
        break;
    default:
        piece = piece < input->len - at ? piece : input->len - at;
        memmove(input->ptr + at, input->ptr + at + piece, input->len - at - piece);
        input->len -= piece;
        break;
    }
}

static void try_with_changes(struct pv_str original)
{
    try_once(original);
    struct pv_seeded seed = {original.len};
    struct pv_rng rng = pv_rng_seeded(&seed);
    struct pv_buf input;
    pv_buf_init(&input, INPUT_MAX);
    for (int i = 0; i < CHANGES; i++) {
        pv_buf_clear(&input);
        pv_buf_str(&input, original);
        uint64_t changes = 1 + pv_rng_below(&rng, 4);
        for (uint64_t j = 0; j < changes && input.len > 0; j++) {
            change(&input, &rng);
        }
        FUZZ_CHECK(input.status == PV_OK);
        try_once(pv_buf_view(&input));
    }
    pv_buf_done(&input);
}

static void read_file(const char *path, struct pv_buf *out)
{
    FILE *file = fopen(path, "rb");
    char block[4096];
    size_t n = file != NULL ? fread(block, 1, sizeof(block), file) : 0;
    while (n > 0) {
        pv_buf_put(out, block, n);
        n = fread(block, 1, sizeof(block), file);
    }
    if (file == NULL || out->status != PV_OK) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(2);
    }
    fclose(file);
}

static void write_seed(const char *folder, size_t n, struct pv_str bytes)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/seed-%zu", folder, n);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes.ptr, 1, bytes.len, file) != bytes.len || fclose(file) != 0) {
        fprintf(stderr, "%s: cannot be written\n", path);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    if (pv_base_init() != PV_OK) {
        return 2;
    }
    bool only_write = argc == 3 && strcmp(argv[1], "--seeds") == 0;
    struct pv_buf input;
    pv_buf_init(&input, INPUT_MAX);
    size_t count = 0;
    while (fuzz_seed(count, &input)) {
        FUZZ_CHECK(input.status == PV_OK && input.len > 0);
        if (only_write) {
            write_seed(argv[2], count, pv_buf_view(&input));
        } else {
            try_with_changes(pv_buf_view(&input));
        }
        pv_buf_clear(&input);
        count++;
    }
    FUZZ_CHECK(count > 0);
    for (int i = 1; i < argc && !only_write; i++) {
        pv_buf_clear(&input);
        read_file(argv[i], &input);
        try_with_changes(pv_buf_view(&input));
    }
    pv_buf_done(&input);
    return 0;
}
