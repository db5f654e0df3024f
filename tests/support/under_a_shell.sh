#!/bin/sh
# Runs a program as a person's shell does, and keeps in the folder $1 what it leaves behind: its exit status, the
# terminal's modes before and after, and the line that is typed next, with whatever stands before it.
folder=$1
shift
stty -g >"$folder/modes_before"
"$@"
echo $? >"$folder/status"
stty -g >"$folder/modes_after"
printf 'the shell> '
IFS= read -r line
printf '%s' "$line" >"$folder/typed.new"
mv "$folder/typed.new" "$folder/typed"
cat
