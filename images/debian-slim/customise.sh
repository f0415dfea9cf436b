# Finishes the root filesystem of this recipe. Run by mmdebstrap with the new root as $1, outside of it.
# The guest boots under software emulation at worst, where starting a process costs tens of milliseconds: whatever
# a throw-away machine does not need is not started.
set -eu
root=$1
etc=$root/etc
units=$etc/systemd/system

write() { mkdir -p "${1%/*}" && cat >"$1"; }
mask() { for unit; do ln -sf /dev/null "$units/$unit"; done; }

# ssh: keys only, root included. One fast host key instead of three, made at the first start: an image has none.
rm -f "$etc"/ssh/ssh_host_*
write "$etc/ssh/sshd_config.d/10-banger.conf" <<'EOF'
PermitRootLogin prohibit-password
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile /root/.ssh/authorized_keys
StrictModes yes
HostKey /etc/ssh/ssh_host_ed25519_key
PrintLastLog no
EOF
write "$units/ssh.service.d/10-banger.conf" <<'EOF'
[Service]
ExecStartPre=
ExecStartPre=/bin/sh -c 'test -s /etc/ssh/ssh_host_ed25519_key || exec ssh-keygen -q -t ed25519 -N "" -C "" -f /etc/ssh/ssh_host_ed25519_key'
EOF

# A login without messages of the day.
: >"$etc/motd"
rm -f "$etc"/update-motd.d/*

write "$root/root/.bashrc" <<'EOF'
case $- in *i*) ;; *) return ;; esac
PS1='\[\e[1;32m\]\u@\h\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ '
HISTCONTROL=ignoreboth
shopt -s checkwinsize histappend
alias ls='ls --color=auto' grep='grep --color=auto' ll='ls -alF'
EOF

# Identity comes at each start from outside.
: >"$etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$etc/hostname" "$etc/fstab" "$etc/resolv.conf"
: >"$etc/resolv.conf"
write "$etc/hosts" <<'EOF'
127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
EOF

# Units: the short way to multi-user.
ln -sf /lib/systemd/system/multi-user.target "$units/default.target"
mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
  systemd-tmpfiles-clean.timer e2scrub_reap.service
mask getty.target console-getty.service serial-getty@.service getty@.service getty-static.service
mask systemd-ask-password-console.path systemd-ask-password-wall.path
mask systemd-journal-flush.service systemd-journal-catalog-update.service systemd-journald-audit.socket
mask systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-update-done.service
mask systemd-random-seed.service systemd-machine-id-commit.service systemd-pstore.service \
  systemd-boot-system-token.service systemd-firstboot.service systemd-sysusers.service
mask systemd-networkd-wait-online.service systemd-timesyncd.service systemd-user-sessions.service
mask dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
  sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount kmod-static-nodes.service \
  systemd-tmpfiles-setup-dev.service dev-mqueue.mount systemd-remount-fs.service systemd-binfmt.service \
  systemd-repart.service systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-initctl.socket
# Names modules to load; there are none, and without it the loader is not even started.
rm -f "$etc/modules-load.d/modules.conf"
# /run/nologin would only be removed by systemd-user-sessions.
mkdir -p "$etc/tmpfiles.d" && ln -sf /dev/null "$etc/tmpfiles.d/systemd-nologin.conf"
# The bus and the login manager start when something asks for them.
wants=$root/lib/systemd/system/multi-user.target.wants
rm -f "$wants/dbus.service" "$wants/systemd-logind.service"
# Generators run at each start, whether there is anything to generate or not. The one for fstab stays.
mkdir -p "$etc/systemd/system-generators"
for generator in "$root"/lib/systemd/system-generators/*; do
  case ${generator##*/} in
  systemd-fstab-generator) ;;
  *) ln -sf /dev/null "$etc/systemd/system-generators/${generator##*/}" ;;
  esac
done
write "$etc/systemd/journald.conf.d/10-banger.conf" <<'EOF'
[Journal]
Storage=volatile
RuntimeMaxUse=32M
Audit=no
EOF
write "$etc/systemd/system.conf.d/10-banger.conf" <<'EOF'
[Manager]
DefaultTimeoutStopSec=10s
ShowStatus=no
EOF

# What only the build needed.
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old "$root"/var/log/*.log \
  "$root"/var/log/apt "$etc/apt/apt.conf.d/99mmdebstrap" "$root"/var/lib/dpkg/*-old
