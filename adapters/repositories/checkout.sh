# Run in the sandbox, in an empty directory: $1 commit, $2 branch (empty: detached), $3 url, $4 object format.
# The same commit gives the same files and times on every host; only the index differs.
set -eu
exec 2>&1
git init --quiet --template= --object-format="$4" --initial-branch="${2:-main}" .
mkdir -p .git/objects/info .git/info
if [ -n "$3" ]; then
  [ -d /mirror/objects ] || { echo 'the mirror is not mounted: this sandbox cannot mount anything'; exit 1; }
  echo /mirror/objects >.git/objects/info/alternates
else
  tree=$(git hash-object -t tree -w --stdin </dev/null)
  { printf 'tree %s\n' "$tree"; cat; } | git hash-object -t commit -w --stdin >/dev/null
fi
git config gc.auto 0
git config maintenance.auto false
git config user.name "$GIT_COMMITTER_NAME"
git config user.email "$GIT_COMMITTER_EMAIL"
time=$(git show -s --format=%ct "$1")
export GIT_COMMITTER_DATE="@$time +0000"
if [ -n "$3" ]; then
  git config remote.origin.url "$3"
  git config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'
fi
if [ -n "$2" ]; then
  git update-ref -m checkout "refs/heads/$2" "$1"
  if [ -n "$3" ]; then
    git config "branch.$2.remote" origin
    git config "branch.$2.merge" "refs/heads/$2"
    git update-ref -m checkout "refs/remotes/origin/$2" "$1"
    git symbolic-ref refs/remotes/origin/HEAD "refs/remotes/origin/$2"
  fi
else
  git update-ref --no-deref -m checkout HEAD "$1"
fi
git -c checkout.workers=4 reset --quiet --hard
# Files older than the index: else `git status` would read again what was written in the index's own second.
find . -path ./.git -prune -o -exec touch -h -d "@$time" {} +
git update-index -q --refresh || :
