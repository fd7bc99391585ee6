#!/usr/bin/env bats
# The man page and the completion scripts say what the program does.
load helper

@test "the man page knows every command and every option" {
  page="$(sed 's/\\-/-/g; s/\\fI//g; s/\\fR//g' "$SOURCE_DIR/doc/man/snug.1")"
  for command in check plan train eval predict "data describe" "data convert" "data generate" \
    "config show" "config list" "config keys" demo analyze monitor run experiments help version completion; do
    grep -q "^\.B $command\$" <<<"$page" || { echo "no entry for $command"; return 1; }
    # shellcheck disable=SC2086
    "$SNUG" $command --help | grep -oE '^  (-[a-z], |    )--[a-z-]+' | grep -oE -- '--[a-z-]+' |
      while read -r option; do
        grep -qE -- "^\.(B|BI|BR).* \"?$option( |\$|\")" <<<"$page" ||
          { echo "$command: $option is not in the man page"; exit 1; }
      done
  done
}

@test "the man page knows every exit code" {
  section="$(sed -n '/^\.SH EXIT STATUS/,/^\.SH ENVIRONMENT/p' "$SOURCE_DIR/doc/man/snug.1")"
  for exit_code in 0 1 2 3 4 5 122 124 125 126 127 130; do
    grep -q "^\.B $exit_code\$" <<<"$section"
  done
}

@test "the man page formats without warnings" {
  command -v man >/dev/null || skip "man is not installed"
  [ -z "$(man -l --warnings -Tutf8 "$SOURCE_DIR/doc/man/snug.1" 2>&1 >/dev/null)" ]
}

@test "the completion scripts are those of the program" {
  "$SNUG" completion bash | diff - "$SOURCE_DIR/doc/completions/snug.bash"
  "$SNUG" completion zsh | diff - "$SOURCE_DIR/doc/completions/_snug"
  "$SNUG" completion fish | diff - "$SOURCE_DIR/doc/completions/snug.fish"
}

# complete WORDS...: what bash offers for the last word.
complete_bash() {
  bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _snug
    printf "%s\n" "${COMPREPLY[@]}"' bash "$SOURCE_DIR/doc/completions/snug.bash" "$@" 2>/dev/null
}

@test "bash completes commands, options, values and keys" {
  bash -n "$SOURCE_DIR/doc/completions/snug.bash"
  [ "$(complete_bash snug pre)" = predict ]
  [ "$(complete_bash snug data gen)" = generate ]
  [ "$(complete_bash snug train --bud)" = --budget ]
  [ "$(complete_bash snug data convert --inp)" = --inputs ]
  [ "$(complete_bash snug train --profile low)" = low_memory ]
  [ "$(complete_bash snug plan training.batch)" = training.batch_size= ]
  complete_bash snug train times | grep -qx timeseries_small
}

@test "zsh and fish take their scripts" {
  ran=0
  if command -v zsh >/dev/null; then
    zsh -n "$SOURCE_DIR/doc/completions/_snug"
    ran=1
  fi
  if command -v fish >/dev/null; then
    fish -n "$SOURCE_DIR/doc/completions/snug.fish"
    ran=1
  fi
  [ "$ran" -eq 1 ] || skip "neither zsh nor fish is installed"
}

@test "the examples compile against the public headers alone" {
  command -v cc >/dev/null || skip "no C compiler"
  for file in "$SOURCE_DIR"/examples/*.c; do
    cc -std=c17 -Wall -Wextra -Werror -I"$SOURCE_DIR/include" -fsyntax-only "$file"
  done
  for header in "$SOURCE_DIR"/include/snug/*.h; do
    cc -std=c17 -Wall -Wextra -Werror -I"$SOURCE_DIR/include" -fsyntax-only -x c "$header"
  done
}
