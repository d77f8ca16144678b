/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses out of the IANA special-purpose registries, at both ends of each prefix, and their
 * neighbours outside. */
#include "tests/unit/unit.h"

#include "core/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static enum pv_address_kind kind(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        return pv_address_kind((const struct sockaddr *)&in);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return pv_address_kind((const struct sockaddr *)&in6);
}

static const char *const private_ones[] = {"0.0.0.0",
                                           "0.255.255.255",
                                           "10.0.0.0",
                                           "10.255.255.255",
                                           "100.64.0.0",
                                           "100.127.255.255",
                                           "127.0.0.1",
                                           "127.255.255.255",
                                           "172.16.0.0",
                                           "172.31.255.255",
                                           "192.0.0.0",
                                           "192.0.0.8",
                                           "192.0.0.170",
                                           "192.0.0.255",
                                           "192.0.2.1",
                                           "192.88.99.1",
                                           "192.168.0.0",
                                           "192.168.255.255",
                                           "198.18.0.0",
                                           "198.19.255.255",
                                           "198.51.100.7",
                                           "203.0.113.255",
                                           "224.0.0.1",
                                           "239.255.255.255",
                                           "240.0.0.0",
                                           "255.255.255.255",
                                           "::",
                                           "::1",
                                           "::ffff:127.0.0.1",
                                           "::ffff:10.1.2.3",
                                           "::ffff:0:10.1.2.3",
                                           "::7f00:1",
                                           "64:ff9b::10.0.0.1",
                                           "64:ff9b::7f00:1",
                                           "64:ff9b:1::1",
                                           "64:ff9b:1:ffff::1",
                                           "100::1",
                                           "100::ffff:ffff:ffff:ffff",
                                           "100:0:0:1::1",
                                           "2001::1",
                                           "2001:2::1",
                                           "2001:10::1",
                                           "2001:1ff:ffff::1",
                                           "2001:db8::1",
                                           "2001:db8:ffff::1",
                                           "2002:a00:1::1",
                                           "2002:7f00:1::",
                                           "2002:c0a8:101::1",
                                           "3fff::1",
                                           "3fff:fff::1",
                                           "5f00::1",
                                           "fc00::1",
                                           "fd12:3456::1",
                                           "fdff:ffff::1",
                                           "fec0::1",
                                           "ff02::1",
                                           "ff0e::1"};

static const char *const link_local_ones[] = {
    "169.254.0.0",  "169.254.169.254",         "169.254.255.255",          "fe80::1",
    "febf:ffff::1", "::ffff:169.254.169.254",  "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1",
    "::a9fe:a9fe",  "::ffff:0:169.254.169.254"};

static const char *const public_ones[] = {"1.1.1.1",
                                          "9.255.255.255",
                                          "11.0.0.0",
                                          "100.63.255.255",
                                          "100.128.0.0",
                                          "126.255.255.255",
                                          "128.0.0.1",
                                          "169.253.255.255",
                                          "169.255.0.0",
                                          "172.15.255.255",
                                          "172.32.0.0",
                                          "192.0.0.9",
                                          "192.0.0.10",
                                          "192.0.1.0",
                                          "192.0.3.0",
                                          "192.31.196.1",
                                          "192.52.193.1",
                                          "192.88.98.255",
                                          "192.88.100.0",
                                          "192.167.255.255",
                                          "192.169.0.0",
                                          "192.175.48.1",
                                          "198.17.255.255",
                                          "198.20.0.0",
                                          "203.0.112.255",
                                          "203.0.114.0",
                                          "223.255.255.255",
                                          "2001:1::1",
                                          "2001:1::2",
                                          "2001:3::1",
                                          "2001:4:112::1",
                                          "2001:20::1",
                                          "2001:30::1",
                                          "2001:200::1",
                                          "2001:4860:4860::8888",
                                          "2001:db7:ffff::1",
                                          "2001:db9::1",
                                          "2002:101:101::1",
                                          "2606:4700:4700::1111",
                                          "2620:4f:8000::1",
                                          "3ffe::1",
                                          "3fff:1000::1",
                                          "64:ff9b::1.1.1.1",
                                          "64:ff9b:2::1",
                                          "::ffff:1.1.1.1",
                                          "100:0:0:2::1",
                                          "5eff::1",
                                          "5f01::1",
                                          "fbff::1",
                                          "fe00::1"};

static void all_are(const char *const *texts, size_t count, enum pv_address_kind expected)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        if (kind(texts[i]) != expected) {
            print_error("%s is of kind %d, not %d\n", texts[i], (int)kind(texts[i]), (int)expected);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void private_is_private(void **state)
{
    (void)state;
    all_are(private_ones, PV_COUNT(private_ones), PV_ADDRESS_PRIVATE);
}

static void link_local_is_link_local(void **state)
{
    (void)state;
    all_are(link_local_ones, PV_COUNT(link_local_ones), PV_ADDRESS_LINK_LOCAL);
}

static void public_is_public(void **state)
{
    (void)state;
    all_are(public_ones, PV_COUNT(public_ones), PV_ADDRESS_PUBLIC);
}

static void other_families_are_private(void **state)
{
    (void)state;
    const struct sockaddr address = {.sa_family = AF_UNIX};
    assert_int_equal(pv_address_kind(&address), PV_ADDRESS_PRIVATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_is_private),
        cmocka_unit_test(link_local_is_link_local),
        cmocka_unit_test(public_is_public),
        cmocka_unit_test(other_families_are_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
