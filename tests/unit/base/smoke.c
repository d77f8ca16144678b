/* SPDX-License-Identifier: Apache-2.0 */
/* libsodium comes up, and the parts of base work together. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/hash.h"

#include <string.h>

static void hashes_a_buffer(void **state)
{
    (void)state;
    struct pv_buf buf;
    pv_buf_init(&buf, 64);
    assert_int_equal(pv_buf_c(&buf, "abc"), 0);
    struct pv_hash hash = pv_sha256(pv_buf_view(&buf));
    char hex[2 * PV_HASH_BYTES + 1];
    pv_hex(hash.b, sizeof(hash.b), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    pv_buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_a_buffer),
    };
    if (pv_base_init() != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
