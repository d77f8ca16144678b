/* SPDX-License-Identifier: Apache-2.0 */
/* Loading: what a good file becomes, and the exact words for what is wrong with a bad one. */
#include "tests/unit/config/fixture.h"

#include "core/base/alloc.h"
#include "core/config/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define assert_text(text, expected) assert_true(pv_str_eq_c((text), (expected)))

static void defaults(void **state)
{
    struct fixture *fixture = *state;
    struct pv_config *config = fixture_good(fixture, "");
    assert_text(config->listen_host, "127.0.0.1");
    assert_int_equal(config->listen_port, 7070);
    assert_text(config->store, "sqlite:///var/lib/provost/provost.db");
    assert_text(config->sqlite_path, "/var/lib/provost/provost.db");
    assert_text(config->keys, "/var/lib/provost/provost.keys");
    assert_text(config->admin_socket, "/run/provost/admin.sock");
    assert_text(config->admin_group, "");
    assert_null(config->callback_url.ptr);
    assert_true(config->migrate);
    assert_int_equal(config->log.level, PV_INFO);
    assert_int_equal(config->log.format, -1);
    assert_int_equal(config->http.max_body, 1 << 20);
    assert_false(config->http.insecure_public_listen);
    assert_int_equal(config->engine.deadline_ms, 86400000);
    assert_int_equal(config->engine.retry.initial_ms, 1000);
    assert_int_equal(config->engine.retry.factor, 2);
    assert_int_equal(config->engine.retry.cap_ms, 600000);
    assert_int_equal(config->instance_count, 0);
    pv_config_free(config);
}

static void localhost_is_an_address(void **state)
{
    struct fixture *fixture = *state;
    struct pv_config *config = fixture_good(fixture, "listen: localhost:7071\n");
    assert_text(config->listen, "127.0.0.1:7071");
    assert_text(config->listen_host, "127.0.0.1");
    pv_config_free(config);
}

static void paths_are_relative_to_the_file(void **state)
{
    struct fixture *fixture = *state;
    setenv("PV_TEST_NAME", "here", 1);
    struct pv_config *config = fixture_good(fixture, "data_dir: data\n"
                                                     "runtime_dir: ${env:PV_TEST_NAME}/run\n"
                                                     "listen: '[::1]:0'\n"
                                                     "callback_url: https://provost.example/\n"
                                                     "log: {level: debug, format: json}\n");
    char expected[512];
    snprintf(expected, sizeof(expected), "%s/data/provost.db", fixture->dir);
    assert_text(config->sqlite_path, expected);
    snprintf(expected, sizeof(expected), "%s/data/provost.keys", fixture->dir);
    assert_text(config->keys, expected);
    snprintf(expected, sizeof(expected), "%s/here/run/admin.sock", fixture->dir);
    assert_text(config->admin_socket, expected);
    assert_text(config->listen_host, "::1");
    assert_int_equal(config->listen_port, 0);
    assert_text(config->callback_url, "https://provost.example");
    assert_int_equal(config->log.level, PV_DEBUG);
    assert_int_equal(config->log.format, 0);
    pv_config_free(config);
}

/* What starts programs has fewer steps at once, unless the file says how many. */
static void steps_at_once(void **state)
{
    struct pv_config *config =
        fixture_good(*state, "plugin_dirs: [modules]\n"
                             "plugins:\n"
                             "  few: {module: site, grants: {exec: []}}\n"
                             "  said: {module: site, max_in_flight: 64, grants: {exec: []}}\n"
                             "  many: {module: support}\n");
    static const struct {
        const char *name;
        uint32_t most;
    } expected[] = {{"few", 32}, {"said", 64}, {"many", 1000}};
    for (size_t i = 0; i < PV_COUNT(expected); i++) {
        const struct pv_config_instance *found =
            pv_config_instance(config, pv_str(expected[i].name));
        assert_int_equal(found->limits.max_in_flight, expected[i].most);
    }
    pv_config_free(config);
}

static void a_whole_file(void **state)
{
    struct fixture *fixture = *state;
    struct pv_config *config = fixture_good(fixture, fixture_yaml);
    assert_int_equal(fixture->described, 3);
    const struct pv_config_instance *node = pv_config_instance(config, PV_STR("node-1"));
    assert_non_null(node);
    assert_int_equal(node->limits.max_in_flight, 5);
    assert_true(node->limits.rate > 2.4 && node->limits.rate < 2.6);
    assert_int_equal(node->limits.burst, 10);
    assert_int_equal(node->limits.breaker_failures, 10);
    assert_int_equal(node->limits.breaker_open_ms, 1000);
    assert_int_equal(node->limits.breaker_open_cap_ms, 60000);
    assert_int_equal(node->stuck_after_ms, 30000);
    assert_int_equal(node->cpu_time_ms, 1800000);
    assert_int_equal(node->plugin->needs, PV_NEEDS_EXEC);
    assert_null(pv_config_instance(config, PV_STR("node-2")));

    const struct pv_config_product *product = pv_config_product(config, PV_STR("wordpress"));
    assert_non_null(product);
    assert_text(product->label, "WordPress");
    assert_true(product->hold);
    assert_int_equal(product->deadline_ms, 7200000);
    assert_int_equal(product->retry.initial_ms, 5000);
    assert_int_equal(product->retry.cap_ms, 600000);
    assert_int_equal(product->component_count, 3);
    assert_text(product->components[2].name, "support");
    assert_int_equal(product->checkout.count, 2);
    int basic = pv_config_plan_index(product, PV_STR("basic"));
    int premium = pv_config_plan_index(product, PV_STR("premium"));
    assert_int_equal(pv_config_plan_index(product, PV_STR("gold")), -1);
    assert_text(product->components[0].values[basic].json,
                "{\"backups\":2,\"disk\":21474836480,\"memory\":2147483648,\"vmids\":\"vmids\"}");
    assert_text(product->components[0].values[premium].json,
                "{\"backups\":5,\"disk\":10737418240,\"memory\":8589934592,\"vmids\":\"vmids\"}");
    assert_text(product->components[1].values[premium].json,
                "{\"mode\":\"record\",\"zone\":\"example.net\",\"zones\":10}");
    assert_text(product->components[2].values[basic].json, "{}");
    assert_text(product->plans[basic].quotas, "backups=2,zones=3");
    assert_text(product->plans[premium].quotas, "backups=5,zones=10");

    const struct pv_config_source *source = pv_config_source(config, PV_STR("paymenter"));
    assert_non_null(source);
    assert_int_equal(source->compat, PV_COMPAT_PAYMENTER);
    assert_text(source->products[PV_FAMILY_DNS], "dns");
    assert_text(source->plans[PV_FAMILY_SUPPORT], "standard");
    assert_null(source->plans[PV_FAMILY_SITE].ptr);

    struct pv_str query = {NULL, 0};
    assert_ptr_equal(pv_config_alias(config, PV_STR("/support/check"), &query),
                     pv_config_instance(config, PV_STR("support")));
    assert_text(query, "check_key");
    assert_null(pv_config_alias(config, PV_STR("/support"), &query));
    pv_config_free(config);
}

static void pools(void **state)
{
    struct fixture *fixture = *state;
    struct pv_config *config =
        fixture_good(fixture, "pools:\n"
                              "  vmids: {range: 1000-1999, reuse_after: 2h}\n"
                              "  one: {range: \"7\"}\n"
                              "  v4: {range: 10.0.0.10 - 10.0.1.99}\n"
                              "  v6: {range: \"2001:db8::10-2001:db8::ff\"}\n");
    char text[64];
    const struct pv_config_pool *pool = pv_config_pool(config, PV_STR("vmids"));
    assert_int_equal(pool->first, 1000);
    assert_int_equal(pool->last, 1999);
    assert_int_equal(pool->reuse_after_ms, 7200000);
    assert_int_equal(pv_pool_text(pool, 1500, text), PV_OK);
    assert_string_equal(text, "1500");
    pool = pv_config_pool(config, PV_STR("one"));
    assert_int_equal(pool->first, 7);
    assert_int_equal(pool->last, 7);
    assert_int_equal(pool->reuse_after_ms, 3600000);
    pool = pv_config_pool(config, PV_STR("v4"));
    assert_int_equal(pool->last - pool->first, 256 + 89);
    assert_int_equal(pv_pool_text(pool, pool->last, text), PV_OK);
    assert_string_equal(text, "10.0.1.99");
    pool = pv_config_pool(config, PV_STR("v6"));
    assert_int_equal(pv_pool_text(pool, pool->first + 1, text), PV_OK);
    assert_string_equal(text, "2001:db8::11");
    assert_int_equal(pv_pool_text(pool, -1, text), PV_EINVAL);
    pv_config_free(config);
}

static void conf_d(void **state)
{
    struct fixture *fixture = *state;
    fixture_write(fixture, "conf.d/20-b.yaml",
                  "http: {max_body: 2MiB}\npools: {b: {range: 1-2}}\n");
    fixture_write(fixture, "conf.d/10-a.yaml", "pools: {a: {range: 1-2}}\nlisten: 127.0.0.1:1\n");
    fixture_write(fixture, "conf.d/ignored.yml", "nonsense: 1\n");
    struct pv_config *config =
        fixture_good(fixture, "http: {max_connections: 5}\npools: {c: {range: 1-2}}\n");
    assert_int_equal(config->http.max_body, 2 << 20);
    assert_int_equal(config->http.max_connections, 5);
    assert_int_equal(config->listen_port, 1);
    assert_int_equal(config->pool_count, 3);
    pv_config_free(config);

    struct pv_problems problems;
    fixture_write(fixture, "conf.d/30-c.yaml",
                  "pools: {a: {range: 3-4}}\nlisten: 127.0.0.1:2\nx: [\n");
    assert_null(fixture_load(fixture, "listem: 127.0.0.1:1\nhttp: {max_body: 1MiB}\n", &problems));
    char *text = fixture_problems(fixture, &problems);
    /* every file is named, the broken one too */
    assert_string_equal(
        text, "DIR/conf.d/20-b.yaml:1:8: http: \"max_body\" is given twice (first in "
              "DIR/provost.yaml, line 2)\n"
              "DIR/conf.d/30-c.yaml:4:1: not valid YAML: did not find expected node content while "
              "parsing a flow node\n");
    pv_free(text);
    pv_problems_done(&problems);
}

static const struct {
    const char *yaml;
    const char *problems;
} bad[] = {
    {"listem: 127.0.0.1:7070\n",
     "DIR/provost.yaml:1:1: listem: unknown key; did you mean \"listen\"?\n"},
    {"listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n",
     "DIR/provost.yaml:2:1: \"listen\" is given twice (first in line 1)\n"},
    {"listen: 127.0.0.1\n",
     "DIR/provost.yaml:1:9: listen: expected ADDRESS:PORT such as 127.0.0.1:7070 or "
     "[::1]:7070, got \"127.0.0.1\"\n"},
    {"listen: 127.0.0.1:99999\n", "DIR/provost.yaml:1:9: listen: expected ADDRESS:PORT such as "
                                  "127.0.0.1:7070 or [::1]:7070, got \"127.0.0.1:99999\"\n"},
    {"listen: 0.0.0.0:7070\n", "DIR/provost.yaml:1:9: listen: 0.0.0.0 is not a loopback address, "
                               "and requests are not encrypted; set tls: {certificate: FILE, key: "
                               "FILE}, or listen on 127.0.0.1 behind a proxy that adds TLS, or set "
                               "http.insecure_public_listen: true\n"},
    {"tls: {certificate: a.crt}\n", "DIR/provost.yaml:1:6: tls.key: is missing: TLS needs a "
                                    "certificate and its private key\n"},
    {"tls: {key: a.key}\n", "DIR/provost.yaml:1:6: tls.certificate: is missing: TLS needs a "
                            "certificate and its private key\n"},
    {"tls: {certificate: a, key: b, minimum: 1.1}\n",
     "DIR/provost.yaml:1:40: tls.minimum: expected one of 1.2 or 1.3, got \"1.1\"; did you mean "
     "\"1.2\"?\n"},
    {"listen: [1, 2]\n", "DIR/provost.yaml:1:9: listen: expected text, got a list\n"},
    {"store: postgresql://localhost/provost\n",
     "DIR/provost.yaml:1:8: store: PostgreSQL is not available in this build; use "
     "sqlite:///path/to/file\n"},
    {"store: mysql://x\n",
     "DIR/provost.yaml:1:8: store: expected sqlite:///path/to/file, got \"mysql://x\"\n"},
    {"log: {level: loud}\n",
     "DIR/provost.yaml:1:14: log.level: expected one of debug, info, warn or error, "
     "got \"loud\"\n"},
    {"log: {level: inof}\n",
     "DIR/provost.yaml:1:14: log.level: expected one of debug, info, warn or error, "
     "got \"inof\"; did you mean \"info\"?\n"},
    {"log: debug\n", "DIR/provost.yaml:1:6: log: expected a mapping, got \"debug\"\n"},
    {"http: {max_body: lots, max_connections: 0, header_timeout: 5}\n",
     "DIR/provost.yaml:1:18: http.max_body: expected a size such as 2GiB, got \"lots\"\n"
     "DIR/provost.yaml:1:41: http.max_connections: expected 1 to 100000, got \"0\"\n"
     "DIR/provost.yaml:1:60: http.header_timeout: expected a duration such as 30s, got \"5\"\n"},
    {"http: {max_body: 1GiB}\n",
     "DIR/provost.yaml:1:18: http.max_body: expected 1KiB to 64MiB, got \"1GiB\"\n"},
    {"engine: {lease: 10ms}\n",
     "DIR/provost.yaml:1:17: engine.lease: expected 1s to 1d, got \"10ms\"\n"},
    {"admin_group: no-such-group\n",
     "DIR/provost.yaml:1:14: admin_group: there is no group no-such-group on this machine\n"},
    {"migrate: maybe\n", "DIR/provost.yaml:1:10: migrate: expected true or false, got \"maybe\"\n"},
    {"data_dir: ${env:PV_TEST_UNSET}\n",
     "DIR/provost.yaml:1:11: data_dir: the environment variable PV_TEST_UNSET is not set\n"},
    {"data_dir: ${secret:x}\n",
     "DIR/provost.yaml:1:11: data_dir: unknown reference \"${secret:x}\": expected ${file:PATH}, "
     "${env:NAME} or ${credential:NAME} (write $${ for a plain ${)\n"},
    {"data_dir: a${env:X\n",
     "DIR/provost.yaml:1:11: data_dir: \"${\" without its \"}\" (write $${ for a plain ${)\n"},
    {"data_dir: ${file:missing}\n",
     "DIR/provost.yaml:1:11: data_dir: cannot read DIR/missing: No such file or directory\n"},
    {"data_dir: ${credential:x}\n",
     "DIR/provost.yaml:1:11: data_dir: there are no credentials: CREDENTIALS_DIRECTORY is not set "
     "(systemd sets it for a service with LoadCredential=)\n"},
    {"pools: {a: {range: x-9}}\n",
     "DIR/provost.yaml:1:20: pools.a.range: expected FIRST-LAST such as 1000-1999 or "
     "10.0.0.10-10.0.0.99, got \"x-9\"\n"},
    {"pools: {a: {range: 9-1}}\n",
     "DIR/provost.yaml:1:20: pools.a.range: the first value is greater than the last\n"},
    {"pools: {a: {range: \"2001:db8::1-2001:db9::1\"}}\n",
     "DIR/provost.yaml:1:20: pools.a.range: both addresses of an IPv6 range must be in the same "
     "/64\n"},
    {"pools: {a: {}}\n", "DIR/provost.yaml:1:12: pools.a.range: required, but not given\n"},
    {"pools: {\"a b\": {range: 1-2}}\n",
     "DIR/provost.yaml:1:9: pools.a b: a name has letters, digits, - and "
     "_, and at most 64 of them\n"},
    {"pools: [1]\n", "DIR/provost.yaml:1:8: pools: expected a mapping of names, got a list\n"},
    {"a: &x 1\n", "DIR/provost.yaml:1:4: anchors and aliases are not supported\n"},
    {"a: !!str 1\n", "DIR/provost.yaml:1:4: tags are not supported\n"},
    {"a: {b\n",
     "DIR/provost.yaml:2:1: not valid YAML: did not find expected ',' or '}' while parsing a "
     "flow mapping\n"},
    {"- a\n", "DIR/provost.yaml:1:1: expected options such as \"listen: 127.0.0.1:7070\"\n"},
    {"a: 1\n---\nb: 1\n", "DIR/provost.yaml:2:1: more than one document in a file\n"},
    {"[a]: 1\n", "DIR/provost.yaml:1:1: a key must be text\n"},
    {"a: \"\\0\"\n", "DIR/provost.yaml:1:4: a NUL byte cannot be part of a value\n"},
    {"a: \xFF\n", "DIR/provost.yaml: byte 3: invalid leading UTF-8 octet\n"},
    {"plugins: {x: {}}\n",
     "DIR/provost.yaml:1:14: plugins.x.module: required: a module, or a command\n"},
    {"plugins: {x: {module: dns, command: [/bin/true]}}\n",
     "DIR/provost.yaml:1:23: plugins.x.module: there is a command: expected one of the two\n"},
    {"plugins: {x: {command: [true]}}\n",
     "DIR/provost.yaml:1:24: plugins.x.command: expected an absolute path and at most 59 "
     "arguments\n"},
    {"plugins: {x: {command: [/no/such/program]}}\n",
     "DIR/provost.yaml:1:24: plugins.x.command: /no/such/program is no program that can be "
     "started\n"},
    {"plugins: {x: {module: ./nothing.so}}\n",
     "DIR/provost.yaml:1:23: plugins.x.module: there is no file DIR/./nothing.so\n"},
    {"plugins: {x: {module: modules/broken.so}}\n",
     "DIR/provost.yaml:1:23: plugins.x.module: DIR/modules/broken.so: is no plugin\n"},
    {"plugins: {x: {module: modules/dns.so, settings: {uri: http://x}}}\n",
     "DIR/provost.yaml:1:50: plugins.x.settings.uri: unknown key; did you mean \"url\"?\n"
     "DIR/provost.yaml:1:49: plugins.x.settings.url: required, but not given\n"
     "DIR/provost.yaml:1:49: plugins.x.settings.api_key: required, but not given\n"},
    /* the value of a secret is never shown */
    {"plugins: {x: {module: modules/dns.so, settings: {url: ftp://x, api_key: HUSH}}}\n",
     "DIR/provost.yaml:1:55: plugins.x.settings.url: expected a URL (http://, https:// or "
     "unix:/path), got "
     "\"ftp://x\"\n"
     "DIR/provost.yaml:1:73: plugins.x.settings.api_key: expected text that matches "
     "^[a-z0-9-]+$\n"},
    {"plugins: {x: {module: modules/dns.so, settings: {url: \"http://x\", api_key: abcd, timeout: "
     "2m, "
     "nameservers: {a: b}}}}\n",
     "DIR/provost.yaml:1:108: plugins.x.settings.nameservers: expected a list of texts, got a "
     "mapping\n"
     "DIR/provost.yaml:1:91: plugins.x.settings.timeout: expected 1s to 1m, got \"2m\"\n"},
    {"plugins: {x: {module: modules/support.so, aliases: {check: check_key, /v1/x: check_key, /a: "
     "nope}}}\n",
     "DIR/provost.yaml:1:60: plugins.x.aliases.check: expected a path such as /support/check, not "
     "below "
     "/v1/\n"
     "DIR/provost.yaml:1:78: plugins.x.aliases./v1/x: expected a path such as /support/check, not "
     "below "
     "/v1/\n"
     "DIR/provost.yaml:1:93: plugins.x.aliases./a: expected a query of instances of support\n"},
    {"plugins: {s: {module: modules/support.so}}\nproducts: {p: {components: [{plugin: t}], plans: "
     "{a: }}}\n",
     "DIR/provost.yaml:2:38: products.p.components.0.plugin: there is no instance \"t\" under "
     "plugins; did "
     "you mean \"s\"?\n"},
    {"plugins: {s: {module: modules/support.so}}\n"
     "products: {p: {components: [{plugin: s}, {plugin: s}], plans: {a: {x: 1}}}}\n",
     "DIR/provost.yaml:2:51: products.p.components.1.plugin: another component is called \"s\"; "
     "give this "
     "one a name of its own\n"
     "DIR/provost.yaml:2:68: products.p.plans.a.x: unknown key (nothing can be given here)\n"},
    {"plugins: {s: {module: modules/support.so}}\nproducts: {p: {components: [{plugin: s}]}}\n",
     "DIR/provost.yaml:2:15: products.p.plans: at least one plan is needed, such as \"basic: "
     "{}\"\n"},
    {"products: {p: {plans: {a: }}}\n",
     "DIR/provost.yaml:1:15: products.p.components: expected 1 to 16 components, got 0\n"},
    {"plugins: {n: {module: modules/site.so}}\n",
     "DIR/provost.yaml:1:14: plugins.n.grants.exec: required, because the plugin starts programs: "
     "name what it may reach, such as `grants: {exec: [/usr/bin/example]}`, or grant nothing with "
     "`[]`\n"},
    {"plugins: {n: {module: modules/site.so, grants: {exec: [bin/sh, /nowhere/sh], read: "
     "[/etc]}}}\n",
     "DIR/provost.yaml:1:84: plugins.n.grants.read: the plugin does not declare that it reads "
     "files: remove it, nothing would come of it\n"
     "DIR/provost.yaml:1:55: plugins.n.grants.exec: expected absolute paths, got \"bin/sh\"\n"
     "DIR/provost.yaml:1:55: plugins.n.grants.exec: /nowhere/sh does not exist\n"},
    {"plugins: {n: {module: modules/site.so, grants: {exec: []}}}\n"
     "products: {w: {components: [{name: site, plugin: n, values: {dsk: 1GiB}}], values: {vmids: "
     "vm},\n"
     "  plans: {basic: {memory: lots, backups: 20}, big: {memry: 1GiB}}}}\n",
     "DIR/provost.yaml:3:27: products.w.plans.basic.memory: expected a size such as 2GiB, got "
     "\"lots\"\n"
     "DIR/provost.yaml:3:42: products.w.plans.basic.backups: expected 0 to 9, got \"20\"\n"
     "DIR/provost.yaml:2:92: products.w.values.vmids: there is no pool \"vm\" under pools\n"
     "DIR/provost.yaml:3:53: products.w.plans.big.memry: unknown key; did you mean \"memory\"?\n"
     "DIR/provost.yaml:3:52: products.w.plans.big.memory: required by component site, but not "
     "given\n"
     "DIR/provost.yaml:2:62: products.w.components.0.values.dsk: unknown key; did you mean "
     "\"disk\"?\n"},
    {"sources: {s: {compat: paymenter}}\n",
     "DIR/provost.yaml:1:23: sources.s.compat: expected one of none or paymenter-backend, got "
     "\"paymenter\"\n"},
    {"sources: {s: {products: {site: w}}}\n",
     "DIR/provost.yaml:1:32: sources.s.products.site: there is no product \"w\" under products\n"
     "DIR/provost.yaml:1:14: sources.s.compat: products and plans need compat: "
     "paymenter-backend\n"},
    {"plugins: {s: {module: modules/support.so}}\n"
     "products: {p: {components: [{plugin: s}], plans: {a: }}}\n"
     "sources: {s: {compat: paymenter-backend, products: {support: p, dns: p}, plans: {dns: b}}}\n",
     "DIR/provost.yaml:3:14: sources.s.plans.support: required with products.support, but not "
     "given\n"
     "DIR/provost.yaml:3:87: sources.s.plans.dns: product p has no plan \"b\"\n"},
};

static void bad_files(void **state)
{
    struct fixture *fixture = *state;
    unsetenv("CREDENTIALS_DIRECTORY");
    int wrong = 0;
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        struct pv_problems problems;
        struct pv_config *config = fixture_load(fixture, bad[i].yaml, &problems);
        char *text = fixture_problems(fixture, &problems);
        if (config || strcmp(text, bad[i].problems) != 0) {
            print_error("--- file\n%s--- said\n%s--- expected\n%s", bad[i].yaml, text,
                        bad[i].problems);
            wrong++;
        }
        pv_free(text);
        pv_config_free(config);
        pv_problems_done(&problems);
    }
    assert_int_equal(wrong, 0);
}

static void missing_file(void **state)
{
    struct fixture *fixture = *state;
    struct pv_problems problems;
    struct pv_config *config = NULL;
    pv_problems_init(&problems);
    assert_int_equal(pv_config_load("/nonexistent/x.yaml", &fixture->describe, &problems, &config),
                     PV_EINVAL);
    char *text = fixture_problems(fixture, &problems);
    assert_string_equal(text, "/nonexistent/x.yaml: cannot be read: No such file or directory\n");
    pv_free(text);
    pv_problems_done(&problems);
}

static void files_that_cannot_be_read(void **state)
{
    struct fixture *fixture = *state;
    struct pv_problems problems;
    fixture_write(fixture, "conf.d/a.yaml/x", "");
    assert_null(fixture_load(fixture, "", &problems));
    char *text = fixture_problems(fixture, &problems);
    assert_string_equal(text,
                        "DIR/conf.d/a.yaml: cannot read DIR/conf.d/a.yaml: not a regular file\n");
    pv_free(text);
    pv_problems_done(&problems);
    char *big = pv_malloc(PV_YAML_MAX_BYTES + 2);
    memset(big, ' ', PV_YAML_MAX_BYTES + 1);
    big[PV_YAML_MAX_BYTES + 1] = '\0';
    assert_null(fixture_load(fixture, big, &problems));
    pv_free(big);
    text = fixture_problems(fixture, &problems);
    assert_string_equal(text, "DIR/provost.yaml: DIR/provost.yaml is larger than 4096 KiB\n");
    pv_free(text);
    pv_problems_done(&problems);
}

static void module_not_found(void **state)
{
    struct fixture *fixture = *state;
    struct pv_problems problems;
    setenv("PROVOST_PLUGIN_PATH", "/nonexistent/a:/nonexistent/b", 1);
    assert_null(
        fixture_load(fixture, "plugin_dirs: [modules]\nplugins: {x: {module: dsn}}\n", &problems));
    char *text = fixture_problems(fixture, &problems);
    const char *start = "DIR/provost.yaml:2:23: plugins.x.module: there is no module dsn.so in "
                        "/nonexistent/a, /nonexistent/b, DIR/modules, ";
    assert_true(strncmp(text, start, strlen(start)) == 0);
    assert_non_null(strstr(text, "/provost/plugins\n"));
    pv_free(text);
    pv_problems_done(&problems);
    unsetenv("PROVOST_PLUGIN_PATH");
}

static void client_reads_little(void **state)
{
    struct fixture *fixture = *state;
    fixture_write(fixture, "provost.yaml",
                  "runtime_dir: run\nproducts: nonsense\nplugins: {x: {}}\n");
    char path[512];
    char expected[512];
    snprintf(path, sizeof(path), "%s/provost.yaml", fixture->dir);
    snprintf(expected, sizeof(expected), "%s/run/admin.sock", fixture->dir);
    struct pv_problems problems;
    struct pv_config *config = NULL;
    pv_problems_init(&problems);
    assert_int_equal(pv_config_load_client(path, &problems, &config), PV_OK);
    assert_text(config->admin_socket, expected);
    assert_int_equal(fixture->described, 0);
    pv_config_free(config);
    pv_problems_done(&problems);
}

/* With every allocation failing in turn: no leak, no crash, never half a configuration. */
static void allocation_failures(void **state)
{
    struct fixture *fixture = *state;
    fixture_write(fixture, "provost.yaml", fixture_yaml);
    fixture_write(fixture, "conf.d/a.yaml", "log: {level: debug}\n");
    char path[512];
    snprintf(path, sizeof(path), "%s/provost.yaml", fixture->dir);
    for (int sticky = 0; sticky < 2; sticky++) {
        unsigned long n = 1;
        for (;; n++) {
            struct pv_problems problems;
            struct pv_config *config = NULL;
            pv_problems_init(&problems);
            pv_alloc_fail_at(n, sticky);
            int status = pv_config_load(path, &fixture->describe, &problems, &config);
            pv_alloc_fail_at(0, 0);
            if (status == PV_OK) {
                pv_config_free(config);
                pv_problems_done(&problems);
                break;
            }
            assert_int_equal(status, PV_ENOMEM);
            assert_null(config);
            pv_problems_done(&problems);
        }
        assert_true(n > 100);
    }
}

int main(void)
{
    if (fixture_begin() != PV_OK) {
        return 1;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        TEST(defaults),
        TEST(localhost_is_an_address),
        TEST(paths_are_relative_to_the_file),
        TEST(steps_at_once),
        TEST(a_whole_file),
        TEST(pools),
        TEST(conf_d),
        TEST(bad_files),
        TEST(missing_file),
        TEST(files_that_cannot_be_read),
        TEST(module_not_found),
        TEST(client_reads_little),
        TEST(allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
