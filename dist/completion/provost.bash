# SPDX-License-Identifier: Apache-2.0
# Completion of `provost` for bash. Installed where bash-completion looks; or: source this file.
_provost() {
    local word help
    COMPREPLY=()
    # What follows a "=" is a word of its own here.
    if [[ ${COMP_WORDS[COMP_CWORD]} == "=" || (COMP_CWORD -gt 0 && ${COMP_WORDS[COMP_CWORD-1]} == "=") ]]; then
        compopt -o default 2>/dev/null
        return
    fi
    while IFS=$'\t' read -r word help; do
        if [ "$word" = :files ]; then
            compopt -o default 2>/dev/null
            COMPREPLY=()
            return
        fi
        [[ $word != *= ]] || compopt -o nospace 2>/dev/null
        COMPREPLY+=("$word")
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _provost provost
