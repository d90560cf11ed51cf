# Keeps one service: starts its command when asked to on standard input, and when that input closes, because its
# parent closed it or died in whatever way, ends the service with all its children and removes its folder.
#
# usage: sh child-guard.sh FOLDER SIGNAL GRACE_TENTHS remove|keep COMMAND [ARGUMENT...]
folder=$1 signal=$2 grace=$3 after=$4
shift 4

family() {
  for process; do
    echo "$process"
    # shellcheck disable=SC2046
    family $(cat "/proc/$process"/task/*/children 2>/dev/null)
  done
}

alive() {
  for process; do
    case $(cat "/proc/$process/stat" 2>/dev/null) in
      '' | *') Z '*) ;;
      *) return 0 ;;
    esac
  done
  return 1
}

service=
while read -r word; do
  [ "$word" = start ] || continue
  "$@" </dev/null >>"$folder/log" 2>&1 &
  service=$!
  echo "$service"
done

if [ -n "$service" ] && alive "$service"; then
  all=$(family "$service")
  # A paused process acts on a signal only once it continues.
  kill -"$signal" "$service" 2>/dev/null
  kill -CONT $all 2>/dev/null
  while alive "$service" && [ "$grace" -gt 0 ]; do
    sleep 0.1
    grace=$((grace - 1))
  done
  kill -KILL $all $(family "$service") 2>/dev/null
  while alive $all; do sleep 0.05; done
fi
# A service that has died by itself may have left others of its group, as RabbitMQ leaves its epmd.
trap '' TERM
kill -TERM 0
[ "$after" = keep ] || rm -rf "$folder"
