/* SPDX-License-Identifier: Apache-2.0 */
/* The keys file: made once with the right mode, read again, refused when it is wrong. */
#include "tests/store/harness.h"

#include "core/store/keyring.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static char path[96];

static int setup(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%.40s/pv-keys-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/keys", folder);
    return pv_base_init();
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    assert_int_equal(rmdir(folder), 0); /* no temporary file is left either */
    return 0;
}

static void write_file(const char *text, mode_t mode)
{
    unlink(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

#define HEX1 "0101010101010101010101010101010101010101010101010101010101010101"
#define HEX2 "0202020202020202020202020202020202020202020202020202020202020202"

static void is_made_once_and_read_again(void **state)
{
    (void)state;
    struct pv_keyring *first = NULL;
    struct pv_keyring *again = NULL;
    struct pv_err err = {0};
    assert_int_equal(pv_keyring_open(path, &first, &err), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(pv_keyring_open(path, &again, &err), 0);
    struct pv_buf sealed;
    pv_buf_init(&sealed, 4096);
    assert_int_equal(pv_keyring_seal(first, PV_STR("row"), PV_STR("text"), &sealed), 0);
    struct pv_arena arena;
    pv_arena_init(&arena);
    struct pv_str plain;
    assert_int_equal(pv_keyring_unseal(again, PV_STR("row"), pv_buf_view(&sealed), &arena, &plain),
                     0);
    assert_true(pv_str_eq_c(plain, "text"));
    assert_int_equal(
        pv_keyring_unseal(again, PV_STR("other"), pv_buf_view(&sealed), &arena, &plain),
        PV_ECRYPTO);
    sealed.ptr[sealed.len - 1] ^= 1;
    assert_int_equal(pv_keyring_unseal(again, PV_STR("row"), pv_buf_view(&sealed), &arena, &plain),
                     PV_ECRYPTO);
    sealed.ptr[0] ^= 64; /* an unknown key */
    assert_int_equal(pv_keyring_unseal(again, PV_STR("row"), pv_buf_view(&sealed), &arena, &plain),
                     PV_ECRYPTO);
    assert_int_equal(pv_keyring_unseal(again, PV_STR("row"), PV_STR("x"), &arena, &plain),
                     PV_ECRYPTO);
    struct pv_hash a = pv_keyring_mac(first, PV_STR("event"));
    assert_true(pv_hash_eq(a, pv_keyring_mac(again, PV_STR("event"))));
    pv_arena_done(&arena);
    pv_buf_done(&sealed);
    pv_keyring_free(first);
    pv_keyring_free(again);
    pv_keyring_free(NULL);
}

static void an_old_key_still_unseals(void **state)
{
    (void)state;
    struct pv_err err = {0};
    struct pv_keyring *old = NULL;
    struct pv_keyring *both = NULL;
    write_file("# made by hand\n\nkey 1 " HEX1 "\nmac " HEX2 "\n", 0600);
    assert_int_equal(pv_keyring_open(path, &old, &err), 0);
    write_file("key 1 " HEX1 "\nkey 2 " HEX2 "\nmac " HEX2, 0600);
    assert_int_equal(pv_keyring_open(path, &both, &err), 0);
    struct pv_buf sealed;
    pv_buf_init(&sealed, 4096);
    struct pv_arena arena;
    pv_arena_init(&arena);
    struct pv_str plain;
    assert_int_equal(pv_keyring_seal(old, PV_STR("row"), PV_STR("text"), &sealed), 0);
    assert_int_equal(pv_keyring_unseal(both, PV_STR("row"), pv_buf_view(&sealed), &arena, &plain),
                     0);
    pv_buf_clear(&sealed);
    assert_int_equal(pv_keyring_seal(both, PV_STR("row"), PV_STR("text"), &sealed), 0);
    assert_int_equal(pv_keyring_unseal(old, PV_STR("row"), pv_buf_view(&sealed), &arena, &plain),
                     PV_ECRYPTO);
    uint8_t signal[2][PV_SIGNAL_KEY_BYTES];
    pv_keyring_signal_key(old, (struct pv_id){{1}}, signal[0]);
    pv_keyring_signal_key(both, (struct pv_id){{1}}, signal[1]);
    assert_memory_equal(signal[0], signal[1], PV_SIGNAL_KEY_BYTES);
    pv_arena_done(&arena);
    pv_buf_done(&sealed);
    pv_keyring_free(old);
    pv_keyring_free(both);
}

/* A key of the signals is no MAC of an event, and says nothing about another operation's. */
static void each_operation_has_a_key_of_its_own(void **state)
{
    (void)state;
    struct pv_err err = {0};
    struct pv_keyring *keyring = NULL;
    struct pv_keyring *other = NULL;
    write_file("key 1 " HEX1 "\nmac " HEX2 "\n", 0600);
    assert_int_equal(pv_keyring_open(path, &keyring, &err), 0);
    write_file("key 1 " HEX1 "\nmac " HEX1 "\n", 0600);
    assert_int_equal(pv_keyring_open(path, &other, &err), 0);
    const struct pv_id op = {{1, 2, 3}};
    struct pv_id near = op;
    near.b[15] = 1;
    uint8_t key[PV_SIGNAL_KEY_BYTES];
    uint8_t again[PV_SIGNAL_KEY_BYTES];
    pv_keyring_signal_key(keyring, op, key);
    pv_keyring_signal_key(keyring, op, again);
    assert_memory_equal(key, again, sizeof(key));
    pv_keyring_signal_key(keyring, near, again);
    assert_memory_not_equal(key, again, sizeof(key));
    pv_keyring_signal_key(other, op, again);
    assert_memory_not_equal(key, again, sizeof(key));
    struct pv_hash mac = pv_keyring_mac(keyring, (struct pv_str){(const char *)op.b, sizeof(op.b)});
    assert_memory_not_equal(key, mac.b, sizeof(key));
    pv_keyring_free(keyring);
    pv_keyring_free(other);
}

static void a_wrong_file_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        mode_t mode;
        int status;
        const char *says;
    } cases[] = {
        {"key 1 " HEX1 "\nmac " HEX2 "\n", 0640, PV_EDENIED, "chmod 600"},
        {"key 1 " HEX1 "\n", 0600, PV_ESYNTAX, "no mac"},
        {"mac " HEX1 "\n", 0600, PV_ESYNTAX, "no key"},
        {"", 0600, PV_ESYNTAX, "no key"},
        {"key 1 0102\nmac " HEX2 "\n", 0600, PV_ESYNTAX, "line 1"},
        {"mac " HEX2 "\nkey x " HEX1 "\n", 0600, PV_ESYNTAX, "line 2"},
        {"lock 1 " HEX1 "\n", 0600, PV_ESYNTAX, "line 1"},
        {"mac " HEX1 "\nmac " HEX2 "\n", 0600, PV_ESYNTAX, "line 2"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        write_file(cases[i].text, cases[i].mode);
        struct pv_keyring *keyring = NULL;
        struct pv_err err = {0};
        assert_int_equal(pv_keyring_open(path, &keyring, &err), cases[i].status);
        assert_non_null(strstr(err.text, cases[i].says));
        assert_non_null(strstr(err.text, path));
    }
}

static void a_folder_that_is_not_there_is_told(void **state)
{
    (void)state;
    char missing[128];
    snprintf(missing, sizeof(missing), "%s/none/keys", folder);
    struct pv_keyring *keyring = NULL;
    struct pv_err err = {0};
    assert_int_equal(pv_keyring_open(missing, &keyring, &err), PV_ENOTFOUND);
    assert_non_null(strstr(err.text, missing));
}

#define SEALS 200 /* more than are drawn from the kernel at once */
#define SEALED_MAX 96

/* The first bytes of a sealed value: its key's id, and the nonce that follows. */
static void seal_one(const struct pv_keyring *keyring, char to[28])
{
    struct pv_buf sealed;
    pv_buf_init(&sealed, SEALED_MAX);
    assert_int_equal(pv_keyring_seal(keyring, PV_STR("row"), PV_STR("text"), &sealed), 0);
    assert_true(sealed.len >= 28);
    memcpy(to, sealed.ptr, 28);
    pv_buf_done(&sealed);
}

static void no_nonce_is_used_twice(void **state)
{
    (void)state;
    static const uint8_t keys[64] = {7};
    static char seen[SEALS + 1][28];
    struct pv_keyring *keyring = NULL;
    assert_int_equal(pv_keyring_fixed(keys, &keyring), 0);
    for (size_t i = 0; i < SEALS - 1; i++) {
        seal_one(keyring, seen[i]);
    }
    /* A child of a fork, too, has nonces of its own. */
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char one[28];
        seal_one(keyring, one);
        _exit(write(ends[1], one, sizeof(one)) == sizeof(one) ? 0 : 1);
    }
    seal_one(keyring, seen[SEALS - 1]);
    assert_int_equal(read(ends[0], seen[SEALS], 28), 28);
    int ended = -1;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    close(ends[0]);
    close(ends[1]);
    for (size_t i = 0; i <= SEALS; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(seen[i], seen[j], 28);
        }
    }
    pv_keyring_free(keyring);
}

/* Two keyrings of one thread whose keys have the same id, in turns; and one for so long that it
 * draws anew. */
static void keyrings_take_turns(void **state)
{
    (void)state;
    static const uint8_t keys[2][64] = {{7}, {8}};
    struct pv_keyring *keyrings[2];
    struct pv_arena arena;
    struct pv_buf sealed;
    struct pv_str plain;
    pv_arena_init(&arena);
    pv_buf_init(&sealed, 4096);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pv_keyring_fixed(keys[i], &keyrings[i]), 0);
    }
    for (size_t i = 0; i < 6; i++) {
        pv_buf_clear(&sealed);
        assert_int_equal(pv_keyring_seal(keyrings[i % 2], PV_STR("r"), PV_STR("text"), &sealed), 0);
        assert_int_equal(pv_keyring_unseal(keyrings[(i + 1) % 2], PV_STR("r"), pv_buf_view(&sealed),
                                           &arena, &plain),
                         PV_ECRYPTO);
        assert_int_equal(
            pv_keyring_unseal(keyrings[i % 2], PV_STR("r"), pv_buf_view(&sealed), &arena, &plain),
            0);
        assert_true(pv_str_eq_c(plain, "text"));
    }
    char first[28];
    char later[28];
    seal_one(keyrings[0], first);
    for (size_t i = 0; i < 65536; i++) {
        seal_one(keyrings[0], later);
    }
    assert_memory_not_equal(first + 4, later + 4, 16);
    pv_buf_clear(&sealed);
    assert_int_equal(pv_keyring_seal(keyrings[0], PV_STR("r"), PV_STR("text"), &sealed), 0);
    assert_int_equal(
        pv_keyring_unseal(keyrings[0], PV_STR("r"), pv_buf_view(&sealed), &arena, &plain), 0);
    pv_keyring_free(keyrings[0]);
    pv_keyring_free(keyrings[1]);
    pv_buf_done(&sealed);
    pv_arena_done(&arena);
}

/* What a thread seals with goes with the keyring: the next value gets another first part. */
static void a_freed_keyring_leaves_nothing_to_seal_with(void **state)
{
    (void)state;
    static const uint8_t keys[64] = {7};
    struct pv_keyring *keyring = NULL;
    struct pv_keyring *other = NULL;
    char seen[3][28];
    assert_int_equal(pv_keyring_fixed(keys, &keyring), 0);
    assert_int_equal(pv_keyring_fixed(keys, &other), 0);
    seal_one(keyring, seen[0]);
    seal_one(keyring, seen[1]);
    assert_memory_equal(seen[0], seen[1], 20);
    pv_keyring_free(other);
    seal_one(keyring, seen[2]);
    assert_memory_not_equal(seen[1], seen[2], 20);
    pv_keyring_free(keyring);
}

#define MASK 0x5a
#define LARGEST_MAPPING (64ul << 20) /* larger ones are a sanitizer's */

/* How often the key is in this part of memory; the key is given masked, to be no copy itself. */
static unsigned find_in(int mem, unsigned long from, unsigned long to,
                        const unsigned char masked[PV_SEALING_KEY])
{
    unsigned found = 0;
    unsigned char *bytes = malloc(to - from);
    assert_non_null(bytes);
    ssize_t got = pread(mem, bytes, to - from, (off_t)from);
    for (ssize_t i = 0; i + PV_SEALING_KEY <= got; i++) {
        unsigned same = 0;
        while (same < PV_SEALING_KEY && (bytes[i + same] ^ MASK) == masked[same]) {
            same++;
        }
        found += same == PV_SEALING_KEY;
    }
    sodium_memzero(bytes, to - from); /* a copy that would be found */
    free(bytes);
    return found;
}

static unsigned find_in_memory(const unsigned char masked[PV_SEALING_KEY])
{
    FILE *maps = fopen("/proc/self/maps", "r");
    int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    assert_true(maps && mem >= 0);
    unsigned found = 0;
    char line[512];
    while (fgets(line, sizeof(line), maps)) {
        unsigned long from = 0;
        unsigned long to = 0;
        char mode[5];
        assert_int_equal(sscanf(line, "%lx-%lx %4s", &from, &to, mode), 3);
        if (mode[1] == 'w' && to - from <= LARGEST_MAPPING) {
            found += find_in(mem, from, to, masked);
        }
    }
    fclose(maps);
    close(mem);
    return found;
}

static void a_closed_store_leaves_no_key_of_its_thread(void **state)
{
    struct fix *f = fix_of(state);
    accept_op(f, "1", PV_OP_CREATE);
    fix_shut(f);
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT body_sealed FROM operations", -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    const unsigned char *sealed = sqlite3_column_blob(stmt, 0);
    assert_true(sqlite3_column_bytes(stmt, 0) > 28);
    unsigned char key[PV_SEALING_KEY];
    unsigned char masked[PV_SEALING_KEY];
    crypto_core_hchacha20(key, sealed + 4, f->keyring->keys[0].bytes, NULL);
    for (size_t i = 0; i < sizeof(key); i++) {
        masked[i] = key[i] ^ MASK;
    }
    assert_true(find_in_memory(masked) > 0); /* the one here */
    sodium_memzero(key, sizeof(key));
    assert_int_equal(find_in_memory(masked), 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    struct pv_err err = {0};
    assert_int_equal(fix_open_again(f, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(is_made_once_and_read_again, setup, teardown),
        cmocka_unit_test_setup_teardown(an_old_key_still_unseals, setup, teardown),
        cmocka_unit_test_setup_teardown(each_operation_has_a_key_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_file_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_is_not_there_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(no_nonce_is_used_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(keyrings_take_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(a_freed_keyring_leaves_nothing_to_seal_with, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_closed_store_leaves_no_key_of_its_thread, setup_sqlite,
                                        teardown_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
