# Run in the sandbox: $1 base commit, $2 object format, $3 the empty base's commit without its tree, or nothing,
# $4 what is always ignored unless it is tracked.
# Standard input is the commit without its tree. Prints the pack, and `commit tree` on descriptor 3.
# The agent's own .git is not used: it may be wrecked. Where this fails, what is printed says why.
set -u
base=$1 form=$2 empty=$3 caches=$4

prepare() {
  cat >"$scratch/body"
  export GIT_DIR="$scratch/git"
  git init --quiet --bare --template= --object-format="$form"
  mkdir -p "$scratch/git/objects/info" "$scratch/git/info"
  printf '%s\n' "$caches" >"$scratch/git/info/exclude"
  [ ! -d /mirror/objects ] || echo /mirror/objects >"$scratch/git/objects/info/alternates"
  git config core.bare false
  cat >>"$scratch/git/config" <<'CONFIG'
[core]
  hooksPath = /dev/null
  attributesFile = /dev/null
  excludesFile = /dev/null
  fsmonitor = false
  fileMode = true
  symlinks = true
  safecrlf = false
  quotePath = false
[pack]
  threads = 1
CONFIG
  export GIT_WORK_TREE="$PWD" GIT_INDEX_FILE="$scratch/index"
}

# A path in the index below a nested repository makes `git add` enter it, and add its files like any others.
enter_nested() {
  blank=$(git hash-object -t blob -w --stdin </dev/null)
  export blank
  find . -path ./.git -prune -o -name .git -prune -exec sh -c '
    for found; do
      nested=${found#./} nested=${nested%/.git}
      git update-index --add --cacheinfo "100644,$blank,$nested/.perdure" || :
    done' sh {} + || { echo 'A directory of the workspace cannot be read.' >&2; exit 10; }
}

refuse_submodules() {
  git ls-files --stage | sed -n 's/^160000 [0-9a-f]* 0	//p' >"$scratch/modules"
  while IFS= read -r module; do
    [ -n "$(ls -A "$module" 2>/dev/null)" ] || continue
    echo "There are files in the submodule $module, and a commit here cannot hold them." >&2
    exit 10
  done <"$scratch/modules"
}

# Line endings that a filter would only normalise are nobody's work: files equal to the base's checkout stay as they were.
keep_unchanged() {
  git diff-index --cached --diff-filter=M --name-only -z "$base" >"$scratch/modified"
  [ -s "$scratch/modified" ] || return 0
  xargs -0 sh -c '
    base=$0
    for path; do
      [ -f "$path" ] && [ ! -L "$path" ] || continue
      git cat-file --filters "$base:$path" 2>/dev/null | cmp -s - "$path" || continue
      was=$(git --literal-pathspecs ls-tree "$base" -- "$path")
      mode=${was%% *}
      [ "$mode" = 100644 ] && [ -x "$path" ] && continue
      [ "$mode" = 100755 ] && [ ! -x "$path" ] && continue
      id=$(git rev-parse "$base:$path") || continue
      git update-index --cacheinfo "$mode,$id,$path"
    done' "$base" <"$scratch/modified"
}

build() {
  set -e
  prepare
  if [ -n "$empty" ]; then
    tree=$(git hash-object -t tree -w --stdin </dev/null)
    printf 'tree %s\n%s' "$tree" "$empty" | git hash-object -t commit -w --stdin >/dev/null
  fi
  git read-tree "$base"
  refuse_submodules
  # Else `git add` would store every unchanged file anew, as it cannot touch the mirror's packs to keep them fresh.
  git update-index -q --refresh >/dev/null || :
  enter_nested
  git add --all -- .
  keep_unchanged
  tree=$(git write-tree)
  if [ "$tree" = "$(git rev-parse "$base^{tree}")" ]; then
    echo 'Nothing differs from the base.' >&2
    exit 9
  fi
  commit=$({ printf 'tree %s\n' "$tree"; cat "$scratch/body"; } | git hash-object -t commit -w --stdin)
  printf '%s %s\n' "$commit" "$tree" >"$scratch/report"
}

body=$(cat; echo x)
code=125
# Shared memory first: a kill in the middle leaves nothing there. It is small, so what needs more goes to /tmp.
for place in /dev/shm /tmp; do
  scratch=$(mktemp -d "$place/perdure-commit.XXXXXX" 2>/dev/null) || continue
  trap 'rm -rf "$scratch"' EXIT
  (printf '%s' "${body%x}" | build) >"$scratch/said" 2>&1
  code=$?
  case $code in 0 | 9 | 10) break ;; esac
  [ "$place" = /tmp ] || { said=$(tail -c 4000 "$scratch/said"); rm -rf "$scratch"; }
done
if [ "$code" != 0 ]; then
  { [ -f "$scratch/said" ] && tail -c 4000 "$scratch/said"; } || printf '%s\n' "${said-}"
  exit "$code"
fi
read -r commit tree <"$scratch/report"
printf '%s\n^%s\n' "$commit" "$base" |
  GIT_DIR="$scratch/git" git pack-objects --revs --thin --stdout --quiet --delta-base-offset 2>"$scratch/said" || {
  code=$?
  tail -c 4000 "$scratch/said"
  exit "$code"
}
echo "$commit $tree" >&3
