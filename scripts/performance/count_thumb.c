/* QEMU TCG plugin (API version 1, QEMU 7.2): counts how often each instruction of a Cortex-M guest is executed in marked regions.
 *
 *   qemu-system-arm -plugin libcount_thumb.so,out=REPORT ...
 *
 * The program begins a region with the halfwords 0xf3af 0x8061 and ends it with 0xf3af 0x8071, unallocated hints that do nothing
 * on any core from Armv7-M on (QEMU's Cortex-M0 refuses them: count its programs on a Cortex-M3). One CPU only. The report has a
 * line `ADDRESS COUNT` per executed instruction. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qemu-plugin.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static struct instruction {
    uint64_t address, count;
    struct instruction *next;
} *instructions;

static const char *report = "/dev/stderr";
static bool inside;

static void on_begin(unsigned int cpu, void *data)
{
    (void)cpu;
    (void)data;
    inside = true;
}

static void on_end(unsigned int cpu, void *data)
{
    (void)cpu;
    (void)data;
    inside = false;
}

static void on_instruction(unsigned int cpu, void *data)
{
    (void)cpu;
    if (inside) ++((struct instruction *)data)->count;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    size_t length = qemu_plugin_tb_n_insns(block);
    for (size_t i = 0; i < length; i++) {
        struct qemu_plugin_insn *translated = qemu_plugin_tb_get_insn(block, i);
        struct instruction *instruction = calloc(1, sizeof *instruction);
        if (!instruction) {
            fputs("count_thumb: out of memory\n", stderr);
            exit(1);
        }
        instruction->address = qemu_plugin_insn_vaddr(translated);
        instruction->next = instructions;
        instructions = instruction;
        uint16_t half[2] = {0, 0};
        memcpy(half, qemu_plugin_insn_data(translated), qemu_plugin_insn_size(translated));
        bool begin = half[0] == 0xf3af && half[1] == 0x8061, end = half[0] == 0xf3af && half[1] == 0x8071;
        if (begin || end) {
            qemu_plugin_register_vcpu_insn_exec_cb(translated, begin ? on_begin : on_end, QEMU_PLUGIN_CB_NO_REGS, NULL);
        } else {
            qemu_plugin_register_vcpu_insn_exec_cb(translated, on_instruction, QEMU_PLUGIN_CB_NO_REGS, instruction);
        }
    }
}

static void on_exit_of_program(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    FILE *file = fopen(report, "w");
    if (!file) {
        perror(report);
        return;
    }
    for (struct instruction *i = instructions; i; i = i->next) {
        if (i->count) fprintf(file, "%" PRIx64 " %" PRIu64 "\n", i->address, i->count);
    }
    fclose(file);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) != 0) {
            fprintf(stderr, "count_thumb: unknown argument %s; expected out=FILE\n", argv[i]);
            return -1;
        }
        report = strdup(argv[i] + 4);
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_of_program, NULL);
    return 0;
}
