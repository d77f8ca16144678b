/* SPDX-License-Identifier: Apache-2.0 */
/* Parses the command line. Options may stand anywhere; what follows "--" is arguments. */
#include "core/cli/parse.h"

#include "core/base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define MAX_NAMES 64

const struct pv_cli_given *pv_cli_given(const struct pv_cli_args *args, const char *name)
{
    for (size_t i = args->given_count; i > 0; i--) {
        if (strcmp(args->given[i - 1].option->name, name) == 0) {
            return &args->given[i - 1];
        }
    }
    return NULL;
}

void pv_cli_args_done(struct pv_cli_args *args)
{
    pv_free(args->args);
    args->args = NULL;
}

static const struct pv_cli_option *find_in(const struct pv_cli_option *options, struct pv_str name,
                                           char letter)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (letter != 0 ? options->letter == letter : pv_str_eq_c(name, options->name)) {
            return options;
        }
    }
    return NULL;
}

static const struct pv_cli_option *find_option(const struct pv_cli_args *args, struct pv_str name,
                                               char letter)
{
    const struct pv_cli_option *own =
        args->command != NULL ? find_in(args->command->options, name, letter) : NULL;
    return own != NULL ? own : find_in(pv_cli_globals, name, letter);
}

const struct pv_cli_option *pv_cli_option_wanting(const struct pv_cli_args *args, const char *word)
{
    bool is_long = word[0] == '-' && word[1] == '-' && word[2] != '\0';
    bool is_letter = word[0] == '-' && word[1] != '-' && word[1] != '\0' && word[2] == '\0';
    const struct pv_cli_option *option = NULL;
    if (is_long && strchr(word, '=') == NULL) {
        option = find_option(args, pv_str(word + 2), 0);
    } else if (is_letter) {
        option = find_option(args, pv_str(word + 1), word[1]);
    }
    return option != NULL && option->type != PV_OPTION_SWITCH ? option : NULL;
}

static size_t add_names(const struct pv_cli_option *options, const char **names, size_t count)
{
    for (; options != NULL && options->name != NULL && count < MAX_NAMES; options++) {
        names[count++] = options->name;
    }
    return count;
}

static int unknown(struct pv_err *err, const char *what, struct pv_str word,
                   const char *const *names, size_t count, const char *dashes)
{
    const char *near = pv_str_nearest(word, names, count);
    if (near != NULL) {
        return pv_err_set(err, PV_EINVAL, "unknown %s “%s%.*s”; did you mean “%s%s”?", what, dashes,
                          PV_STR_ARG(word), dashes, near);
    }
    return pv_err_set(err, PV_EINVAL, "unknown %s “%s%.*s”", what, dashes, PV_STR_ARG(word));
}

static int unknown_option(const struct pv_cli_args *args, struct pv_str name, struct pv_err *err)
{
    const char *names[MAX_NAMES];
    size_t count = add_names(args->command != NULL ? args->command->options : NULL, names, 0);
    count = add_names(pv_cli_globals, names, count);
    return unknown(err, "option", name, names, count, "--");
}

/* Keeps one option with its value, once that has the right form. */
static int keep(struct pv_cli_args *args, const struct pv_cli_option *option, const char *value,
                struct pv_err *err)
{
    struct pv_cli_given given = {.option = option, .value = value};
    struct pv_str text = pv_str(value);
    if (option->type == PV_OPTION_NUMBER &&
        (pv_str_to_i64(text, &given.number) != 0 || given.number < option->min ||
         given.number > option->max)) {
        return pv_err_set(err, PV_EINVAL, "--%s: expected a number from %lld to %lld, got “%s”",
                          option->name, (long long)option->min, (long long)option->max, value);
    }
    if (option->type == PV_OPTION_DURATION && pv_str_to_duration(text, &given.number) != 0) {
        return pv_err_set(err, PV_EINVAL, "--%s: expected a time such as 30s, got “%s”",
                          option->name, value);
    }
    if (args->given_count == PV_CLI_MAX_GIVEN) {
        return pv_err_set(err, PV_EINVAL, "too many options");
    }
    args->given[args->given_count++] = given;
    args->help |= strcmp(option->name, "help") == 0;
    args->version |= strcmp(option->name, "version") == 0;
    return 0;
}

/* "--name", "--name=value", "-n", "-nvalue". *ret_next: the value was the word behind it. */
static int take_option(struct pv_cli_args *args, const char *word, const char *behind,
                       bool *ret_next, struct pv_err *err)
{
    bool is_long = word[1] == '-';
    const char *equals = is_long ? strchr(word, '=') : NULL;
    struct pv_str name = {word + 2,
                          equals != NULL ? (size_t)(equals - word) - 2 : strlen(word + 1) - 1};
    const struct pv_cli_option *option = find_option(args, name, is_long ? 0 : word[1]);
    if (option == NULL && is_long) {
        return unknown_option(args, name, err);
    }
    if (option == NULL) {
        return pv_err_set(err, PV_EINVAL, "unknown option “-%c”", word[1]);
    }
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (!is_long && word[2] != '\0') {
        value = word + 2;
    }
    if (option->type == PV_OPTION_SWITCH) {
        if (value != NULL) {
            return pv_err_set(err, PV_EINVAL, "--%s takes no value", option->name);
        }
        return keep(args, option, NULL, err);
    }
    *ret_next = value == NULL;
    value = value != NULL ? value : behind;
    if (value == NULL) {
        return pv_err_set(err, PV_EINVAL, "--%s needs a value: %s", option->name, option->value);
    }
    return keep(args, option, value, err);
}

static int take_group(struct pv_cli_args *args, const char *word, struct pv_err *err)
{
    args->group = pv_cli_group_find(word);
    if (args->group == NULL) {
        const char *names[MAX_NAMES];
        size_t count = 0;
        for (const struct pv_cli_group *g = pv_cli_groups; g->name != NULL; g++) {
            assert(count < MAX_NAMES);
            names[count++] = g->name;
        }
        return unknown(err, "command", pv_str(word), names, count, "");
    }
    if (pv_cli_group_is_command(args->group)) {
        args->command = args->group->commands;
    }
    return 0;
}

static int take_command(struct pv_cli_args *args, const char *word, struct pv_err *err)
{
    args->command = pv_cli_command_find(args->group, word);
    if (args->command != NULL) {
        return 0;
    }
    const char *names[MAX_NAMES];
    size_t count = 0;
    for (const struct pv_cli_command *c = args->group->commands; c->name != NULL; c++) {
        assert(count < MAX_NAMES);
        names[count++] = c->name;
    }
    char what[80];
    snprintf(what, sizeof(what), "command of `provost %s`", args->group->name);
    return unknown(err, what, pv_str(word), names, count, "");
}

static int take_word(struct pv_cli_args *args, const char *word, struct pv_err *err)
{
    if (args->group == NULL) {
        return take_group(args, word, err);
    }
    if (args->command == NULL) {
        return take_command(args, word, err);
    }
    args->args[args->arg_count++] = word;
    return 0;
}

static int check_counts(const struct pv_cli_args *args, struct pv_err *err)
{
    if (args->group == NULL) {
        return pv_err_set(err, PV_EINVAL, "say what to do");
    }
    if (args->command == NULL) {
        return pv_err_set(err, PV_EINVAL, "`provost %s` needs a command", args->group->name);
    }
    size_t min = 0;
    size_t max = 0;
    pv_cli_arg_counts(args->command->args, &min, &max);
    if (args->arg_count < min) {
        struct pv_str name = pv_cli_arg_name(args->command->args, args->arg_count);
        return pv_err_set(err, PV_EINVAL, "%.*s is missing", PV_STR_ARG(name));
    }
    if (args->arg_count > max) {
        return pv_err_set(err, PV_EINVAL, "one argument too many: “%s”", args->args[max]);
    }
    return 0;
}

/* Words are taken before options are known to be right: `provost operation retry --raeson` names
 * the options of retry. */
int pv_cli_parse(int argc, char **argv, struct pv_cli_args *ret_args, struct pv_err *err)
{
    *ret_args = (struct pv_cli_args){0};
    ret_args->args = pv_calloc((size_t)(argc > 0 ? argc : 1), sizeof(*ret_args->args));
    if (ret_args->args == NULL) {
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    bool only_words = false;
    int status = 0;
    for (int i = 1; i < argc && status == 0; i++) {
        const char *word = argv[i];
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
        } else if (!only_words && word[0] == '-' && word[1] != '\0') {
            bool next = false;
            status = take_option(ret_args, word, argv[i + 1], &next, err);
            i += next ? 1 : 0;
        } else {
            status = take_word(ret_args, word, err);
        }
    }
    if (status != 0 || ret_args->help || ret_args->version) {
        return status;
    }
    return check_counts(ret_args, err);
}
