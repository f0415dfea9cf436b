# Finishes what debian-slim's script began. Run by mmdebstrap with the new root as $1, outside of it.
set -eu
root=$1
units=$root/etc/systemd/system

write() { mkdir -p "${1%/*}" && cat >"$1"; }

# Docker starts when something speaks to its socket, not with every VM: that takes a second of processor time, several
# without KVM. Where there are containers it starts at once, since some may be meant to run always.
rm -f "$units"/multi-user.target.wants/docker.service "$units"/multi-user.target.wants/containerd.service
write "$units/docker-containers.service" <<'EOF'
[Unit]
Description=Docker, for containers that were made before
ConditionDirectoryNotEmpty=/var/lib/docker/containers
After=docker.socket

[Service]
Type=oneshot
ExecStart=systemctl start --no-block docker.service
EOF
ln -s ../docker-containers.service "$units/multi-user.target.wants/docker-containers.service"

# Docker loads its own profile, for which it needs AppArmor's parser; compiling the others would cost every start seconds.
rm -f "$units/sysinit.target.wants/apparmor.service"

# What is on the state disk directly, not on the overlay: the guest binds it where these folders are.
mkdir -p -m 0711 "$root/var/lib/docker" "$root/var/lib/containerd"
