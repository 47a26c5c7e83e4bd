# Run in the sandbox, where nothing of the work but what is on standard input can be seen: $1 Python, $2 bandit's place,
# $3 the program. 77 says that there is no bandit here.
[ -x "$1" ] && [ -d "$2/bandit" ] || exit 77
exec "$1" -I -c "$3" "$2"
