/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of its own for each test, and descriptions without a host. */
#include "tests/unit/config/fixture.h"

#include "core/base/alloc.h"
#include "core/json/json.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char dns[] =
    "{\"name\":\"dns\",\"version\":\"1.0.0\",\"summary\":\"Zones and "
    "records.\",\"abi\":1,\"needs\":[],"
    "\"settings\":["
    "{\"name\":\"driver\",\"type\":\"select\",\"label\":\"Driver\",\"options\":[\"powerdns\","
    "\"cloudflare\"],"
    "\"default\":\"powerdns\",\"required\":false,\"secret\":false,\"immutable\":false},"
    "{\"name\":\"url\",\"type\":\"url\",\"label\":\"API "
    "URL\",\"required\":true,\"secret\":false,\"immutable\":false},"
    "{\"name\":\"api_key\",\"type\":\"string\",\"label\":\"Key\",\"required\":true,\"secret\":true,"
    "\"min\":4,\"max\":64,\"pattern\":\"^[a-z0-9-]+$\",\"immutable\":false},"
    "{\"name\":\"nameservers\",\"type\":\"list\",\"label\":\"Nameservers\",\"required\":false,"
    "\"secret\":false,"
    "\"immutable\":false,\"default\":\"ns1.example.net, ns2.example.net\"},"
    "{\"name\":\"headers\",\"type\":\"map\",\"label\":\"Headers\",\"required\":false,\"secret\":"
    "true,\"immutable\":false},"
    "{\"name\":\"timeout\",\"type\":\"duration\",\"label\":\"Time-out\",\"required\":false,"
    "\"secret\":false,"
    "\"immutable\":false,\"default\":\"7s\",\"min\":1000,\"max\":60000}],"
    "\"product\":["
    "{\"name\":\"mode\",\"type\":\"select\",\"label\":\"Mode\",\"options\":[\"zones\",\"record\"],"
    "\"default\":\"zones\","
    "\"required\":false,\"secret\":false,\"immutable\":true},"
    "{\"name\":\"zone\",\"type\":\"hostname\",\"label\":\"Zone\",\"required\":false,\"secret\":"
    "false,\"immutable\":true},"
    "{\"name\":\"zones\",\"type\":\"int\",\"label\":\"Zones\",\"required\":false,\"secret\":false,"
    "\"immutable\":false,"
    "\"min\":0,\"max\":1000,\"default\":\"3\"}],"
    "\"checkout\":[],"
    "\"operations\":{\"create\":[{\"name\":\"record\",\"repeatable\":true,\"undo\":true,\"lookup\":"
    "false,"
    "\"poll\":false,\"timeout_ms\":60000,\"settle_ms\":5000}],"
    "\"terminate\":[{\"name\":\"remove\",\"repeatable\":true,\"undo\":false,\"lookup\":false,"
    "\"poll\":false,"
    "\"timeout_ms\":60000,\"settle_ms\":5000}],"
    "\"upgrade\":[{\"name\":\"limit\",\"repeatable\":true,\"undo\":true,\"lookup\":false,\"poll\":"
    "false,"
    "\"timeout_ms\":60000,\"settle_ms\":5000}]},"
    "\"actions\":[{\"name\":\"add_zone\",\"label\":\"Add a "
    "zone\",\"form\":[{\"name\":\"zone\",\"type\":\"hostname\","
    "\"label\":\"Zone\",\"required\":true,\"secret\":false,\"immutable\":false}],\"steps\":[{"
    "\"name\":\"add\","
    "\"repeatable\":false,\"undo\":false,\"lookup\":true,\"poll\":false,\"timeout_ms\":1000,"
    "\"settle_ms\":10}],"
    "\"quota\":\"zones\",\"quota_delta\":1},"
    "{\"name\":\"restart\",\"label\":\"Restart\",\"confirm\":\"Really?\",\"form\":[],\"steps\":[]}]"
    ","
    "\"service_queries\":[{\"name\":\"view\",\"access\":\"customer\",\"params\":[]}],"
    "\"instance_queries\":[{\"name\":\"test\",\"access\":\"token\",\"params\":[]}]}";

static const char site[] = "{\"name\":\"site\",\"version\":\"2.1.0\",\"summary\":\"Sites.\","
                           "\"abi\":1,\"needs\":[\"exec\"],"
                           "\"settings\":[],\"product\":["
                           "{\"name\":\"memory\",\"type\":\"size\",\"label\":\"Memory\","
                           "\"required\":true,\"secret\":false,\"immutable\":false},"
                           "{\"name\":\"disk\",\"type\":\"size\",\"label\":\"Disk\",\"required\":"
                           "false,\"secret\":false,\"immutable\":false,"
                           "\"default\":\"10GiB\"},"
                           "{\"name\":\"backups\",\"type\":\"int\",\"label\":\"Backups\","
                           "\"required\":false,\"secret\":false,\"immutable\":false,"
                           "\"min\":0,\"max\":9},"
                           "{\"name\":\"vmids\",\"type\":\"pool\",\"label\":\"VM "
                           "ids\",\"required\":false,\"secret\":false,\"immutable\":true}],"
                           "\"checkout\":[{\"name\":\"hostname\",\"type\":\"hostname\",\"label\":"
                           "\"Host name\",\"required\":true,"
                           "\"secret\":false,\"immutable\":false},"
                           "{\"name\":\"admins\",\"type\":\"int\",\"label\":\"Admins\",\"default\":"
                           "\"1\",\"required\":false,"
                           "\"secret\":false,\"immutable\":false,\"min\":1,\"max\":5}],"
                           "\"operations\":{\"create\":["
                           "{\"name\":\"allocate\",\"repeatable\":false,\"undo\":true,\"lookup\":"
                           "true,\"poll\":false,\"timeout_ms\":60000,"
                           "\"settle_ms\":5000},"
                           "{\"name\":\"start\",\"repeatable\":true,\"undo\":false,\"lookup\":"
                           "false,\"poll\":true,\"timeout_ms\":300000,"
                           "\"settle_ms\":0}],"
                           "\"suspend\":[{\"name\":\"stop\",\"repeatable\":true,\"undo\":false,"
                           "\"lookup\":false,\"poll\":false,"
                           "\"timeout_ms\":60000,\"settle_ms\":5000}],"
                           "\"terminate\":[{\"name\":\"destroy\",\"repeatable\":true,\"undo\":"
                           "false,\"lookup\":false,\"poll\":false,"
                           "\"timeout_ms\":60000,\"settle_ms\":5000}],"
                           "\"upgrade\":[{\"name\":\"resize\",\"repeatable\":true,\"undo\":true,"
                           "\"lookup\":false,\"poll\":false,"
                           "\"timeout_ms\":60000,\"settle_ms\":5000}]},"
                           "\"actions\":[{\"name\":\"restart\",\"label\":\"Restart\",\"form\":[],"
                           "\"steps\":[{\"name\":\"stop\","
                           "\"repeatable\":true,\"undo\":false,\"lookup\":false,\"poll\":false,"
                           "\"timeout_ms\":60000,\"settle_ms\":5000}]}],"
                           "\"service_queries\":[],\"instance_queries\":[]}";

static const char support[] = "{\"name\":\"support\",\"version\":\"1.0.0\",\"summary\":\"Support "
                              "keys.\",\"abi\":1,\"settings\":[],"
                              "\"product\":[],\"checkout\":[],\"operations\":{\"create\":[{"
                              "\"name\":\"key\",\"repeatable\":true,"
                              "\"undo\":true,\"lookup\":false,\"poll\":false,\"timeout_ms\":60000,"
                              "\"settle_ms\":5000}]},\"actions\":[],"
                              "\"service_queries\":[],\"instance_queries\":[{\"name\":\"check_"
                              "key\",\"access\":\"public\",\"params\":[]}]}";

const char fixture_yaml[] =
    "plugin_dirs: [modules]\n"
    "store: sqlite:///var/lib/provost/provost.db\n"
    "pools:\n"
    "  vmids: {range: 1000-1999, reuse_after: 2h}\n"
    "  addresses: {range: 10.0.0.10-10.0.0.99}\n"
    "plugins:\n"
    "  pdns-1:\n"
    "    module: dns\n"
    "    settings: {url: \"http://127.0.0.1:8081\", api_key: \"${file:pdns.key}\"}\n"
    "  node-1: {module: site, max_in_flight: 5, rate: 2.5, burst: 10, retry: {cap: 30s},\n"
    "    grants: {exec: [/bin/sh]}}\n"
    "  support: {module: support, aliases: {/support/check: check_key}}\n"
    "products:\n"
    "  wordpress:\n"
    "    label: WordPress\n"
    "    on_failure: hold\n"
    "    deadline: 2h\n"
    "    retry: {initial: 5s}\n"
    "    components:\n"
    "      - {name: site, plugin: node-1}\n"
    "      - {name: dns, plugin: pdns-1, values: {mode: record, zone: example.net}}\n"
    "      - {plugin: support}\n"
    "    values: {vmids: vmids}\n"
    "    plans:\n"
    "      basic: {memory: 2GiB, disk: 20GiB, backups: 2}\n"
    "      premium: {memory: 8GiB, backups: 5, zones: 10}\n"
    "  dns:\n"
    "    components: [{name: dns, plugin: pdns-1}]\n"
    "    plans: {basic: {}}\n"
    "  support:\n"
    "    components: [{plugin: support}]\n"
    "    plans: {standard: }\n"
    "sources:\n"
    "  paymenter:\n"
    "    compat: paymenter-backend\n"
    "    products: {site: wordpress, support: support, dns: dns}\n"
    "    plans: {support: standard, dns: basic}\n";

static int describe(void *ctx, const struct pv_describe_ask *ask, char **ret_json,
                    struct pv_err *err)
{
    const char *path = ask->module;
    struct fixture *fixture = ctx;
    const char *name = strrchr(path, '/') + 1;
    const char *json = strcmp(name, "dns.so") == 0       ? dns
                       : strcmp(name, "site.so") == 0    ? site
                       : strcmp(name, "support.so") == 0 ? support
                                                         : NULL;
    fixture->described++;
    if (!json) {
        return pv_err_set(err, PV_EINVAL, "is no plugin");
    }
    *ret_json = pv_strdup(json);
    return *ret_json ? PV_OK : pv_err_set(err, PV_ENOMEM, "out of memory");
}

void fixture_write(const struct fixture *fixture, const char *name, const char *text)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
    for (char *slash = strchr(path + strlen(fixture->dir), '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

int fixture_begin(void)
{
    pv_json_setup();
    setenv("PV_TEST_KEY", "a-key-for-tests", 1);
    setenv("PV_TEST_WHSEC", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", 1);
    return pv_base_init();
}

int fixture_open(void **state)
{
    struct fixture *fixture = pv_calloc(1, sizeof(*fixture));
    const char *base = getenv("TMPDIR");
    snprintf(fixture->dir, sizeof(fixture->dir), "%s/provost-config-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(fixture->dir)) {
        return -1;
    }
    fixture->describe = (struct pv_describe){fixture, describe};
    fixture_write(fixture, "modules/dns.so", "");
    fixture_write(fixture, "modules/site.so", "");
    fixture_write(fixture, "modules/support.so", "");
    fixture_write(fixture, "modules/broken.so", "");
    fixture_write(fixture, "pdns.key", "the-key-9\n");
    unsetenv("PROVOST_PLUGIN_PATH");
    *state = fixture;
    return 0;
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry = dir ? readdir(dir) : NULL;
    for (; entry; entry = readdir(dir)) {
        char child[1024];
        snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlink(child) != 0) {
            remove_tree(child);
        }
    }
    if (dir) {
        closedir(dir);
    }
    rmdir(path);
}

int fixture_close(void **state)
{
    struct fixture *fixture = *state;
    remove_tree(fixture->dir);
    pv_free(fixture);
    return 0;
}

struct pv_config *fixture_load(struct fixture *fixture, const char *yaml,
                               struct pv_problems *problems)
{
    char path[512];
    fixture_write(fixture, "provost.yaml", yaml);
    snprintf(path, sizeof(path), "%s/provost.yaml", fixture->dir);
    pv_problems_init(problems);
    struct pv_config *config = NULL;
    int status = pv_config_load(path, &fixture->describe, problems, &config);
    assert_true((status == PV_OK) == (config != NULL));
    return config;
}

char *fixture_problems(const struct fixture *fixture, const struct pv_problems *problems)
{
    struct pv_buf all;
    struct pv_buf out;
    char *text = NULL;
    size_t len = 0;
    pv_buf_init(&all, 1u << 20);
    pv_buf_init(&out, 1u << 20);
    pv_problems_print(problems, &all);
    pv_buf_char(&all, '\0');
    for (const char *at = all.ptr; *at;) {
        size_t dir = strlen(fixture->dir);
        if (strncmp(at, fixture->dir, dir) == 0) {
            pv_buf_c(&out, "DIR");
            at += dir;
        } else {
            pv_buf_char(&out, *at++);
        }
    }
    pv_buf_done(&all);
    assert_int_equal(pv_buf_finish(&out, &text, &len), PV_OK);
    return text;
}

struct pv_config *fixture_good(struct fixture *fixture, const char *yaml)
{
    struct pv_problems problems;
    struct pv_config *config = fixture_load(fixture, yaml, &problems);
    char *text = fixture_problems(fixture, &problems);
    assert_string_equal(text, "");
    assert_non_null(config);
    pv_free(text);
    pv_problems_done(&problems);
    return config;
}
