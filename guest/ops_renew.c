/*
 * Operation 46: makes a copy of a machine a machine of its own. Asked for after a restore, before anybody works in it; name,
 * clock, randomness and network follow by `configure`, as at every start. What runs goes on running.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"
#include "job.h"
#include "ops.h"
#include "sshd.h"
#include "textfile.h"

#define MACHINE_ID "/etc/machine-id"
#define KEY_FOLDER "/etc/ssh"
#define HOST_KEY KEY_FOLDER "/ssh_host_ed25519_key"
#define ID_LEN 32

/* ---- machine id ---- */

static bool is_id(const char *text)
{
    return strlen(text) == ID_LEN && strspn(text, "0123456789abcdef") == ID_LEN;
}

/*
 * The journal lies in a folder named by the id. journald knows it by the old name, what reads it looks for the new one. A journal
 * that outlives the boot is renamed, and its old name leads to it; for one in memory it is enough that the new name does.
 */
static void rename_journal(const char *former, const char *id)
{
    char from[PATH_MAX], to[PATH_MAX];
    snprintf(from, sizeof from, "/var/log/journal/%s", former);
    snprintf(to, sizeof to, "/var/log/journal/%s", id);
    struct stat st;
    if (lstat(from, &st) == 0 && S_ISDIR(st.st_mode) && rename(from, to) == 0 && symlink(id, from) != 0)
        perror("banger-agent: journal");
}

static void link_journal(const char *former, const char *id)
{
    char from[PATH_MAX], to[PATH_MAX], folder[ID_LEN + 1];
    snprintf(from, sizeof from, "/run/log/journal/%s", former);
    snprintf(to, sizeof to, "/run/log/journal/%s", id);
    struct stat st;
    if (lstat(from, &st) != 0)
        return;
    snprintf(folder, sizeof folder, "%s", former);
    if (S_ISLNK(st.st_mode) && readlink(from, folder, ID_LEN) != ID_LEN) /* else: its name when the machine booted */
        return;
    if (symlink(folder, to) != 0)
        perror("banger-agent: journal");
}

static int renew_machine_id(const char *id, struct failure *f)
{
    static const char *const copies[] = {"/run/machine-id", "/var/lib/dbus/machine-id"};
    char line[ID_LEN + 2];
    char *former = text_read(MACHINE_ID);
    int n = snprintf(line, sizeof line, "%s\n", id);
    struct stat st;
    if (former == NULL)
        return failure_errno(f, ENOMEM, "read", MACHINE_ID);
    former[strcspn(former, "\n")] = 0;
    int r = text_write(MACHINE_ID, line, (size_t)n, 0444, f);
    for (unsigned i = 0; r == 0 && i < sizeof copies / sizeof copies[0]; i++)
        if (lstat(copies[i], &st) == 0 && S_ISREG(st.st_mode))
            r = text_write(copies[i], line, (size_t)n, 0444, f);
    if (r == 0 && is_id(former) && strcmp(former, id) != 0) {
        link_journal(former, id);
        rename_journal(former, id);
    }
    free(former);
    return r;
}

/* ---- ssh host keys ---- */

/* Takes all host keys away but the ed25519 one, which is written over. Returns whether there was an ed25519 key (1), another one (2), or both (3). */
static int remove_host_keys(void)
{
    /* As the folder was when there was nothing but that one: as long as no name comes or goes there is nothing to look for. */
    static struct stat alone;
    struct stat now = {0};
    if (stat(KEY_FOLDER, &now) == 0 && now.st_ino == alone.st_ino && now.st_dev == alone.st_dev &&
        now.st_mtim.tv_sec == alone.st_mtim.tv_sec && now.st_mtim.tv_nsec == alone.st_mtim.tv_nsec)
        return 1;
    int found = 0;
    DIR *dir = opendir(KEY_FOLDER);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        bool private = fnmatch("ssh_host_*_key", e->d_name, 0) == 0;
        bool kept = strncmp(e->d_name, "ssh_host_ed25519_key", strlen("ssh_host_ed25519_key")) == 0;
        if (private)
            found |= kept ? 1 : 2;
        if (!kept && (private || fnmatch("ssh_host_*_key.pub", e->d_name, 0) == 0))
            unlinkat(dirfd(dir), e->d_name, 0);
    }
    if (dir != NULL)
        closedir(dir);
    alone = found == 1 ? now : (struct stat){0};
    return found;
}

static int make_host_keys(void *ctx)
{
    (void)ctx;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execl("/usr/bin/ssh-keygen", "ssh-keygen", "-A", (char *)NULL);
    return 127;
}

static void host_keys_made(void *ctx, int status)
{
    (void)ctx;
    if (status == 0)
        sshd_renewed();
}

static int renew_host_keys(struct field private, struct field public, struct failure *f)
{
    int had = remove_host_keys();
    if (had == 0) /* no ssh server, or one that never ran: it makes its own */
        return 0;
    if (text_write(HOST_KEY, private.value, private.len, 0600, f) != 0 ||
        text_write(HOST_KEY ".pub", public.value, public.len, 0644, f) != 0)
        return -1;
    sshd_renewed();
    if ((had & 2) != 0) /* RSA takes seconds: those of other kinds come later */
        job_start(make_host_keys, host_keys_made, NULL);
    return 0;
}

void op_renew(struct stream *s, struct fields f)
{
    char id[ID_LEN + 1];
    struct field private, public;
    struct failure failure;
    if (get_text(f, 1, id, sizeof id) != 1 || !is_id(id)) {
        op_bad_field(s, "machine_id");
        return;
    }
    if (get_field(f, 2, &private) == 0 || get_field(f, 3, &public) == 0) {
        op_bad_field(s, "ssh_host_key");
        return;
    }
    if (agent.role == ROLE_HOSTED) {
        stream_failf(s, ST_UNSUPPORTED, 0, "a hosted agent has no machine");
        return;
    }
    unlink("/var/lib/systemd/random-seed"); /* the next boot must not begin where another machine's does */
    if (renew_machine_id(id, &failure) != 0 || renew_host_keys(private, public, &failure) != 0)
        stream_fail(s, &failure);
    else
        op_done(s);
}
