/*
 * A program that behaves like Firecracker's jailer as far as docs/jailer.md of Firecracker describes it and banger uses it, for
 * tests: what that makes is made here, in the same order, and what it refuses is refused. It is root's, and really jails.
 *
 * Beside it lies `jailer.plan`, a line each: `version V`; `show PATH`, what of the host the double of Firecracker needs, shown
 * read-only, with a /proc and a /dev/null; `fail STEP`, `die STEP`: how it ends there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { MAX_ID = 64, MAX_PLAN = 64, NO_FILE = 2048 };

static char plan[MAX_PLAN][PATH_MAX];
static int planned;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("thread 'main' panicked at src/jailer/src/main.rs:\nJailer error: ", stderr);
	vfprintf(stderr, format, args);
	fputs("\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n", stderr);
	va_end(args);
	exit(101);
}

__attribute__((noreturn, format(printf, 1, 2))) static void refuse_arguments(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("Arguments parsing error: ", stderr);
	vfprintf(stderr, format, args);
	fputs(" For more information try --help.\n", stderr);
	va_end(args);
	exit(1);
}

static void check(int result, const char *what)
{
	if (result < 0)
		fail("Failed to %s: %s (os error %d)", what, strerror(errno), errno);
}

static void read_plan(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 8);
	check((int)length, "find itself");
	snprintf(path + length, 8, ".plan");
	FILE *file = fopen(path, "re");
	while (file && planned < MAX_PLAN && fgets(plan[planned], sizeof plan[0], file)) {
		plan[planned][strcspn(plan[planned], "\n")] = 0;
		planned++;
	}
	if (file)
		fclose(file);
}

/* The rest of a planned line that begins with a word, from the line after `*at` on. */
static const char *next_planned(const char *word, int *at)
{
	size_t length = strlen(word);
	for (; *at < planned; ++*at)
		if (strncmp(plan[*at], word, length) == 0 && plan[*at][length] == ' ')
			return plan[(*at)++] + length + 1;
	return NULL;
}

static void step(const char *name)
{
	const char *found;
	for (int at = 0; (found = next_planned("die", &at));)
		if (strcmp(found, name) == 0)
			_exit(9); /* the first process of a pid namespace cannot kill itself */
	for (int at = 0; (found = next_planned("fail", &at));)
		if (strcmp(found, name) == 0)
			fail("Failed to %s: as planned", name);
}

static unsigned parse_id(const char *text, const char *what)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno || !*text || *end || *text == '-' || value > UINT_MAX)
		fail("Invalid %s: %s", what, text);
	return (unsigned)value;
}

static void check_instance(const char *id)
{
	size_t length = strlen(id);
	if (length < 1 || length > MAX_ID)
		fail("Invalid instance ID: Invalid len (%zu);  the length must be between 1 and 64", length);
	for (size_t i = 0; i < length; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", id[i]))
			fail("Invalid instance ID: Invalid char (%c) at position %zu", id[i], i);
}

static void make_folders(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	snprintf(part, sizeof part, "%s", path);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdir(part, mode) == 0)
			check(chmod(part, mode), "change permissions");
		*slash = '/';
	}
	if (mkdir(part, mode) == 0)
		check(chmod(part, mode), "change permissions");
	else if (errno != EEXIST)
		check(-1, "create directory");
}

static void copy_program(const char *from, const char *to)
{
	char buffer[1 << 16];
	struct stat info;
	int in = open(from, O_RDONLY | O_CLOEXEC);
	check(in, "copy the program");
	check(fstat(in, &info), "copy the program");
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, info.st_mode & 0777);
	check(out, "copy the program");
	check(fchmod(out, info.st_mode & 0777), "copy the program");
	for (ssize_t got; (got = read(in, buffer, sizeof buffer)) > 0;)
		check(write(out, buffer, (size_t)got) == got ? 0 : -1, "copy the program");
	close(in);
	close(out);
}

/* What only the double needs: its interpreter and sources, which a static program has not. */
static void show(const char *root)
{
	char target[2 * PATH_MAX];
	const char *path;
	for (int at = 0; (path = next_planned("show", &at));) {
		struct stat info;
		char link[PATH_MAX];
		if (lstat(path, &info) < 0)
			continue;
		snprintf(target, sizeof target, "%s%s", root, path);
		char *slash = strrchr(target, '/');
		*slash = 0;
		if (slash > target + strlen(root))
			make_folders(target, 0755);
		*slash = '/';
		ssize_t length = readlink(path, link, sizeof link - 1);
		if (length > 0) {
			link[length] = 0;
			check(symlink(link, target), "show a link");
			continue;
		}
		if (S_ISDIR(info.st_mode))
			make_folders(target, 0755);
		else
			close(open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		check(mount(path, target, NULL, MS_BIND | MS_REC, NULL), "show a file");
		check(mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), "show a file");
	}
	snprintf(target, sizeof target, "%s/proc", root);
	make_folders(target, 0755);
	check(mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "show processes");
}

static void jail(const char *root)
{
	check(unshare(CLONE_NEWNS), "unshare into new mount namespace");
	check(mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL), "change the propagation type to slave");
	check(mount(root, root, NULL, MS_BIND | MS_REC, NULL), "bind mount the jail root directory");
	show(root);
	check(chdir(root), "change current directory");
	check(mkdir("old_root", 0600), "create the jail root directory before pivoting root");
	check((int)syscall(SYS_pivot_root, ".", "old_root"), "pivot root");
	check(chdir("/"), "chdir into chroot directory");
	check(umount2("old_root", MNT_DETACH), "unmount the old jail root");
	check(rmdir("old_root"), "remove old jail root directory");
}

static void make_device(const char *path, unsigned major_number, unsigned minor_number, uid_t uid, gid_t gid)
{
	if (mknod(path, S_IFCHR | 0600, makedev(major_number, minor_number)) < 0)
		fail("Failed to create \"%s\" via mknod inside the jail: %s (os error %d)", path, strerror(errno), errno);
	check(chown(path, uid, gid), "change owner");
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"--id", "--exec-file", "--uid", "--gid", "--chroot-base-dir"};
	const char *values[5] = {0};
	read_plan();
	check((int)syscall(SYS_close_range, 3, ~0U, 0), "close file descriptors");
	clearenv();
	int at = 1;
	for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
		int known = -1;
		if (strcmp(argv[at], "--version") == 0) {
			int line = 0;
			const char *version = next_planned("version", &line);
			printf("Jailer v%s\n\n", version ? version : "1.17.0");
			return 0;
		}
		for (int i = 0; i < 5; i++)
			if (strcmp(argv[at], names[i]) == 0)
				known = i;
		if (known < 0)
			refuse_arguments("Found argument '%s' which wasn't expected, or isn't valid in this context.", argv[at]);
		if (values[known])
			refuse_arguments("The argument '%s' was provided more than once.", argv[at]);
		if (at + 1 >= argc || strncmp(argv[at + 1], "--", 2) == 0)
			refuse_arguments("The argument '%s' requires a value, but none was supplied.", argv[at]);
		values[known] = argv[++at];
	}
	for (int i = 0; i < 4; i++)
		if (!values[i])
			refuse_arguments("Argument '%s' required, but not found.", names[i] + 2);

	char program[PATH_MAX], base[PATH_MAX], root[2 * PATH_MAX], path[3 * PATH_MAX];
	struct stat info;
	check_instance(values[0]);
	if (!realpath(values[1], program))
		fail("Failed to canonicalize path %s: %s (os error %d)", values[1], strerror(errno), errno);
	if (stat(program, &info) < 0 || !S_ISREG(info.st_mode))
		fail("%s is not a file", program);
	const char *name = strrchr(program, '/') + 1;
	if (!strstr(name, "firecracker"))
		fail("Invalid filename. The filename of `--exec-file` option must contain \"firecracker\": %s", name);
	const char *asked = values[4] ? values[4] : "/srv/jailer";
	if (!realpath(asked, base))
		fail("Failed to canonicalize path %s: %s (os error %d)", asked, strerror(errno), errno);
	uid_t uid = parse_id(values[2], "uid");
	gid_t gid = parse_id(values[3], "gid");

	step("validate");
	snprintf(root, sizeof root, "%s/%s/%s/root", base, name, values[0]);
	make_folders(root, 0755);
	snprintf(path, sizeof path, "%s/%s", root, name);
	copy_program(program, path);
	step("copy");
	struct rlimit limit = {NO_FILE, NO_FILE};
	check(setrlimit(RLIMIT_NOFILE, &limit), "set limit for resource");
	jail(root);
	step("chroot");
	static const char *const folders[] = {"/", "/dev", "/dev/net", "/run"};
	for (int i = 0; i < 4; i++) {
		if (mkdir(folders[i], 0700) < 0 && errno != EEXIST)
			check(-1, "create directory");
		check(chmod(folders[i], 0700), "change permissions");
		check(chown(folders[i], uid, gid), "change owner");
	}
	make_device("/dev/net/tun", 10, 200, uid, gid);
	make_device("/dev/kvm", 10, 232, uid, gid);
	make_device("/dev/urandom", 1, 9, uid, gid);
	if (planned)
		make_device("/dev/null", 1, 3, uid, gid);
	step("devices");
	snprintf(path, sizeof path, "/%s.pid", name);
	int pid_file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	check(pid_file, "open the pid file");
	dprintf(pid_file, "%d", getpid());
	check(setgroups(0, NULL), "drop groups");
	check(setgid(gid), "set the group");
	check(setuid(uid), "set the user");
	step("exec");
	char *args[argc + 9];
	int count = 0;
	snprintf(path, sizeof path, "/%s", name);
	args[count++] = path;
	args[count++] = (char *)"--id";
	args[count++] = (char *)values[0];
	args[count++] = (char *)"--start-time-us";
	args[count++] = (char *)"1";
	args[count++] = (char *)"--start-time-cpu-us";
	args[count++] = (char *)"1";
	args[count++] = (char *)"--parent-cpu-time-us";
	args[count++] = (char *)"1";
	for (at++; at < argc; at++)
		args[count++] = argv[at];
	args[count] = NULL;
	execve(path, args, (char *[]){NULL});
	fail("Failed to exec into Firecracker: %s (os error %d)", strerror(errno), errno);
}
