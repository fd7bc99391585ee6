/* Makes a process that runs for long and does little small: pages of program files go back. */
#ifndef SNUG_SYS_TRIM_H
#define SNUG_SYS_TRIM_H

/**
 * Takes the pages of the program's and its libraries' code out of this process; what is still used
 * comes back from the page cache when it is touched, 16 KiB at a time: for that the first call cuts
 * the mappings of code into up to 1,024 pieces, some 200 bytes of the kernel's memory each. For
 * after a start that ran through much code that is not needed again. Advice; cannot fail.
 * @threads Any; others may meanwhile take page faults.
 */
void snug_trim_code(void);

#endif
