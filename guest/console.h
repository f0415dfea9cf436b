/* The VM's serial console, for what has to be said before anybody can ask. */
#ifndef BANGER_CONSOLE_H
#define BANGER_CONSOLE_H

/* Makes /dev/console descriptors 0 to 2, when it exists. */
void console_open(void);
/* One line, prefixed "banger-init: ". */
void console_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says what failed with errno's text and powers the VM off: a hanging VM would only say that nothing came. */
_Noreturn void console_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
