/*
 * Lets User Mode Linux run on processors with more registers than it knows of.
 *
 * It sets the registers of its processes by ptrace(PTRACE_SETREGSET, NT_X86_XSTATE), from a buffer that ends where
 * AVX-512 does. With AMX, Linux refuses one that does not have all. Preloaded, this puts what User Mode Linux gives
 * over what the process has.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

long ptrace(enum __ptrace_request request, ...) {
  va_list arguments;
  va_start(arguments, request);
  long pid = va_arg(arguments, pid_t);
  void *address = va_arg(arguments, void *);
  void *data = va_arg(arguments, void *);
  va_end(arguments);

  if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE) {
    static __thread char registers[64 * 1024] __attribute__((aligned(64)));
    struct iovec all = {registers, sizeof registers};
    const struct iovec *given = data;
    if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, address, &all) == 0) {
      memcpy(registers, given->iov_base, given->iov_len < all.iov_len ? given->iov_len : all.iov_len);
      return syscall(SYS_ptrace, request, pid, address, &all);
    }
  }
  if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
    /* The system call writes the word, the library's function returns it. */
    long word;
    if (syscall(SYS_ptrace, request, pid, address, &word) != 0)
      return -1;
    errno = 0;
    return word;
  }
  return syscall(SYS_ptrace, request, pid, address, data);
}
