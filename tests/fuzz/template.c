/* SPDX-License-Identifier: Apache-2.0 */
/* Templates of the http plugin: "TEMPLATE\nJSON", the JSON being the scope. What a check finds in
 * order can be filled in or says why not; what goes into a path stays in its place. */
#include "plugins/http/template.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

bool fuzz_seed(size_t n, struct pv_buf *out)
{
    static const char *const seeds[] = {
        "/a/{{service.ref}}/b\n{\"service\":{\"ref\":\"r1\"}}",
        "{{a}}\n{\"a\":[1,{\"b\":null}]}",
        "{{ a.0.b in MiB }}\n{\"a\":[{\"b\":2147483648}]}",
        "x {{a | 5}} {{b?}} \\{{ {{c | \"te}xt\"}}\n{}",
        "{{a\n{}",
        "{\"k\":{\"$for\":\"{{l}}\",\"$give\":[\"{{item.x?}}\"]}}\n{\"l\":[{\"x\":1},2]}",
        "{{..}}{{}}{{a..b}}{{a in}}\n{\"a\":\"..\"}",
    };
    return n < sizeof(seeds) / sizeof(seeds[0]) && pv_buf_c(out, seeds[n]) == 0;
}

static void fill(const char *template, const json_t *scope)
{
    char why[HTTP_WHY_MAX] = "";
    struct http_text text = {.ptr = NULL};
    int error = http_template_text(template, scope, HTTP_SEGMENT, &text, why);
    FUZZ_CHECK(error == 0 || error == HTTP_NOMEM || why[0] != '\0');
    if (error == 0 && strstr(template, "{{") == NULL) {
        FUZZ_CHECK(strcmp(text.ptr, template) == 0);
    }
    http_text_done(&text);
    json_t *value = NULL;
    error = http_template_value(template, scope, &value, why);
    FUZZ_CHECK((error == 0) == (value != NULL));
    json_decref(value);
    json_t *known = json_pack("{s:n}", "service");
    error = http_template_check(template, known, why);
    FUZZ_CHECK(error == 0 || why[0] != '\0');
    json_decref(known);
}

/* The template as a tree, when it is JSON. */
static void fill_tree(const char *template, const json_t *scope)
{
    char why[HTTP_WHY_MAX] = "";
    char where[HTTP_NAME_MAX] = "";
    json_t *tree = json_loads(template, JSON_DECODE_ANY, NULL);
    json_t *filled = NULL;
    if (tree != NULL) {
        int error = http_template_tree(tree, scope, &filled, why);
        FUZZ_CHECK((error == 0) == (filled != NULL));
        FUZZ_CHECK(error == 0 || error == HTTP_NOMEM || why[0] != '\0');
        json_t *known = json_object();
        error = http_template_check_tree(tree, known, where, why);
        FUZZ_CHECK(error == 0 || why[0] != '\0');
        json_decref(known);
    }
    json_decref(filled);
    json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *template = fuzz_text(data, size);
    char *line = strchr(template, '\n');
    json_t *scope = line != NULL ? json_loads(line + 1, 0, NULL) : NULL;
    scope = json_is_object(scope) ? scope : (json_decref(scope), json_object());
    if (line != NULL) {
        *line = '\0';
    }
    fill(template, scope);
    fill_tree(template, scope);
    json_decref(scope);
    free(template);
    return 0;
}
