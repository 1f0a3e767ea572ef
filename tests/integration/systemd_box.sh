#!/bin/bash
# Process 1 of a box until systemd takes its place: see systemd_box.py.
#   systemd_box.sh WORK LOWER NAME SYSTEMD [FROM TO]...
# WORK is an empty folder, LOWER the root of the system to copy, NAME of the control group; every FROM is
# mounted in the box at TO, read-only.
set -e
export PATH="$PATH:/usr/sbin:/sbin"
work=$1 lower=$2 name=$3 systemd=$4
shift 4

mount --make-rprivate /
mount -t tmpfs tmpfs "$work"
root=$work/root
mkdir "$work/upper" "$work/work" "$root" "$work/cgroup"

# An own control group, so that two boxes do not meet.
mount -t cgroup2 cgroup2 "$work/cgroup"
mkdir "$work/cgroup/$name"
echo $$ > "$work/cgroup/$name/cgroup.procs"
umount "$work/cgroup"

mount -t overlay overlay -o "lowerdir=$lower,upperdir=$work/upper,workdir=$work/work" "$root"
rm -rf "$root"/opt/posewatch "$root"/etc/posewatch "$root"/etc/sysusers.d/posewatch.conf \
    "$root"/var/{lib,cache}/{,private/}posewatch
while [ $# -gt 0 ]; do
    mkdir -p "$root$2"
    mount --bind -o ro "$1" "$root$2"
    shift 2
done
if [ -d "$root/opt/posewatch/python/lib" ]; then  # a Python that looks for its library where it was built
    echo /opt/posewatch/python/lib > "$root/etc/ld.so.conf.d/00-python.conf"
    chroot "$root" ldconfig
fi
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --bind -o ro "$root/proc/sys" "$root/proc/sys"
for folder in dev run tmp var/log etc/systemd/system; do
    mkdir -p "$root/$folder"
    mount -t tmpfs -o mode=755 tmpfs "$root/$folder"
done
chmod 1777 "$root/tmp"
cp -a /dev/{null,zero,full,random,urandom,tty} "$root/dev/"
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
# What would set up the machine, which is not the box's.
for unit in systemd-{sysctl,binfmt,modules-load,remount-fs,udevd,udev-trigger,tmpfiles-setup-dev,update-utmp}.service \
    systemd-udevd-{control,kernel}.socket proc-sys-fs-binfmt_misc.automount sys-kernel-{debug,tracing,config}.mount \
    dev-{hugepages,mqueue}.mount sys-fs-fuse-connections.mount; do
    ln -s /dev/null "$root/etc/systemd/system/$unit"
done
printf '[Unit]\nRequires=systemd-journald.socket\nWants=dbus.socket\n' > "$root/etc/systemd/system/box.target"
rm -f "$root/etc/machine-id"
md5sum <<< "$name" | cut -c -32 > "$root/etc/machine-id"

cd "$root"
mkdir tmp/old
pivot_root . tmp/old
umount -l /tmp/old
rmdir /tmp/old
hostname box
mount --make-rshared /  # systemd leaves that to the maker of a container; credentials need it
exec unshare --cgroup bash -c \
    'mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin "$0" --system --unit=box.target' \
    "$systemd"
