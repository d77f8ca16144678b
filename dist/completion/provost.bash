# SPDX-License-Identifier: Apache-2.0
# Completion of `provost` for bash. Installed where bash-completion looks; or: source this file.
_provost() {
    local word help
    COMPREPLY=()
    while IFS=$'\t' read -r word help; do
        if [ "$word" = :files ]; then
            compopt -o default 2>/dev/null
            COMPREPLY=()
            return
        fi
        COMPREPLY+=("$word")
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _provost provost
