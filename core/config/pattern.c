/* SPDX-License-Identifier: Apache-2.0 */
/* How large a pattern becomes when it is compiled. regcomp copies what a repetition repeats, so
 * that a few nested ones take all memory there is: such a pattern is refused before. Pure. */
#include "core/config/pattern.h"

#define DEPTH_MAX 32
#define SIZE_MAX_PATTERN 2000u
#define NESTED_MAX 3u

struct group {
    unsigned long size;   /* of what stands in it so far */
    unsigned long atom;   /* of its last atom, which a repetition repeats */
    unsigned nested;      /* repetitions of repetitions in it, at most */
    unsigned atom_nested; /* in its last atom */
    bool repeated;        /* its last atom has its repetition: POSIX does not define a second one */
};

/* Behind the bracket expression that begins at s[i]; s.len when it has no end. */
static size_t skip_bracket(struct pv_str s, size_t i)
{
    i++;
    i += i < s.len && s.ptr[i] == '^' ? 1 : 0;
    i += i < s.len && s.ptr[i] == ']' ? 1 : 0;
    while (i < s.len && s.ptr[i] != ']') {
        bool named = s.ptr[i] == '[' && i + 1 < s.len &&
                     (s.ptr[i + 1] == ':' || s.ptr[i + 1] == '.' || s.ptr[i + 1] == '=');
        if (named) {
            char kind = s.ptr[i + 1];
            for (i += 2; i + 1 < s.len && !(s.ptr[i] == kind && s.ptr[i + 1] == ']'); i++) {}
            i++;
        }
        i++;
    }
    return i < s.len ? i + 1 : s.len;
}

/* How often the repetition that begins at s[i] copies its atom; *ret_next is behind it. */
static unsigned long copies_of(struct pv_str s, size_t i, size_t *ret_next)
{
    unsigned long most = 1;
    *ret_next = i + 1;
    if (s.ptr[i] != '{') {
        return s.ptr[i] == '+' ? 2 : 1;
    }
    unsigned long number = 0;
    for (i++; i < s.len && s.ptr[i] != '}'; i++) {
        bool digit = s.ptr[i] >= '0' && s.ptr[i] <= '9';
        number = digit ? number * 10 + (unsigned long)(s.ptr[i] - '0') : 0;
        number = number > SIZE_MAX_PATTERN ? SIZE_MAX_PATTERN : number;
        most = number > most ? number : most;
    }
    *ret_next = i < s.len ? i + 1 : s.len;
    return most + 1; /* "at least" has one more */
}

static void add_atom(struct group *group, unsigned long size, unsigned nested)
{
    group->atom = size;
    group->size += size;
    group->atom_nested = nested;
    group->nested = nested > group->nested ? nested : group->nested;
    group->repeated = false;
}

/* False when there are too many. */
static bool repeat_atom(struct group *group, unsigned long copies)
{
    if (group->repeated) {
        return false;
    }
    unsigned long size = group->atom * copies + 1;
    group->size += size - group->atom;
    group->atom = size;
    group->atom_nested++;
    group->nested = group->atom_nested > group->nested ? group->atom_nested : group->nested;
    group->repeated = true;
    return group->size <= SIZE_MAX_PATTERN && group->nested <= NESTED_MAX;
}

bool pv_pattern_is_small(struct pv_str s)
{
    struct group groups[DEPTH_MAX] = {{0}};
    size_t depth = 0;
    for (size_t i = 0; i < s.len;) {
        char c = s.ptr[i];
        size_t next = i + 1;
        if (c == '(') {
            if (++depth == DEPTH_MAX) {
                return false;
            }
            groups[depth] = (struct group){0};
        } else if (c == ')' && depth > 0) {
            depth--;
            add_atom(&groups[depth], groups[depth + 1].size + 1, groups[depth + 1].nested);
        } else if (c == '*' || c == '+' || c == '?' || c == '{') {
            if (!repeat_atom(&groups[depth], copies_of(s, i, &next))) {
                return false;
            }
        } else {
            next = c == '[' ? skip_bracket(s, i) : c == '\\' ? i + 2 : i + 1;
            add_atom(&groups[depth], 1, 0);
        }
        if (groups[depth].size > SIZE_MAX_PATTERN) {
            return false;
        }
        i = next;
    }
    return true;
}
