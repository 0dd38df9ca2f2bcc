/* QEMU TCG plugin (API version 1, QEMU 7.2): counts the AArch64 instructions that a program executes, by class and by
 * calling context, in the whole program and in marked regions.
 *
 *   qemu-aarch64 -plugin libcount.so,out=REPORT PROGRAM ...
 *
 * The program begins region k (0 to 15) with `hint #(96 + k)` and ends it with `hint #(112 + k)`, unallocated hints that
 * do nothing on any core. Regions do not nest; one thread only. Inside a region calls (BL, BLR) are followed, so that a
 * function's instructions can be told apart by who called it. The report, a line each:
 *
 *   start ADDRESS                       lowest executable address of the program, to find its load address
 *   class REGION NAME COUNT             REGION is -1 for the whole program
 *   node ID PARENT REGION ADDRESS       a calling context; ADDRESS is the call's, 0 for the region itself
 *   block NODE ADDRESS LENGTH COUNT     LENGTH instructions from ADDRESS on were executed COUNT times
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qemu-plugin.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

enum { REGIONS = 16, NODES = 4096 };

/* Classes by encoding, Arm Architecture Reference Manual, chapter C4.1; the first match counts. */
static const struct {
    uint32_t mask, value;
    const char *name;
} classes[] = {
    {0x9fe0fc00, 0x0e809400, "dot product"},      /* SDOT, UDOT (vector) */
    {0x9fc0f400, 0x0f80e000, "dot product"},      /* SDOT, UDOT (by element) */
    {0xdfe0f400, 0x4e80a400, "matrix multiply"},  /* SMMLA, UMMLA, USMMLA */
    {0x9f20fc00, 0x0e20c000, "widening multiply"},/* SMULL, UMULL */
    {0x9f20fc00, 0x0e208000, "widening multiply"},/* SMLAL, UMLAL */
    {0x9f3ffc00, 0x0e206800, "pairwise add"},     /* SADALP, UADALP */
    {0xbf20fc00, 0x0e20cc00, "float multiply-add"},/* FMLA, FMLS (vector) */
    {0xbf80b400, 0x0f801000, "float multiply-add"},/* FMLA, FMLS (by element) */
    {0x0e000000, 0x0e000000, "other vector"},
    {0x3e400000, 0x0c000000, "store"},            /* vector structures; L = 0 */
    {0x3a400000, 0x28000000, "store"},            /* pairs; L = 0 */
    {0x3f400000, 0x08000000, "store"},            /* exclusive and ordered; L = 0 */
    {0x3ac00000, 0x38000000, "store"},            /* one register; opc = 0 */
    {0xfec00000, 0x3c800000, "store"},            /* STR Q; size = 0, V = 1, opc = 2 */
    {0x0e000000, 0x0c000000, "vector load"},
    {0x0e000000, 0x08000000, "other load"},
    {0x1c000000, 0x14000000, "branch"},
    {0, 0, "integer"},
};
enum { CLASSES = sizeof classes / sizeof classes[0] };

/* Calling contexts; node 0 is everything outside the regions. */
static struct node {
    int parent, region;
    uint64_t call;
} nodes[NODES] = {{-1, -1, 0}};
static int node_count = 1, current;

/* How often a run of instructions was executed in one context. */
struct tally {
    int node;
    uint64_t count;
    struct tally *next;
};

/* Instructions that are executed together: a translated block, or a part of one between marks. */
static struct segment {
    uint64_t address;
    uint32_t length, of_class[CLASSES];
    struct tally *tallies;
    struct segment *next;
} *segments;

static const char *report = "/dev/stderr";
static uint64_t start_address;

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory) {
        fputs("count: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static int child(int parent, int region, uint64_t call)
{
    for (int i = 1; i < node_count; i++) {
        if (nodes[i].parent == parent && nodes[i].region == region && nodes[i].call == call) return i;
    }
    if (node_count == NODES) {
        fputs("count: too many calling contexts\n", stderr);
        exit(1);
    }
    nodes[node_count] = (struct node){parent, region, call};
    return node_count++;
}

static void on_segment(unsigned int cpu, void *data)
{
    (void)cpu;
    struct segment *segment = data;
    /* Back from a call: the instruction after it. Calls that never return are left on the way up. */
    for (int node = current; node > 0; node = nodes[node].parent) {
        if (nodes[node].call && nodes[node].call + 4 == segment->address) {
            current = nodes[node].parent;
            break;
        }
    }
    struct tally **place = &segment->tallies;
    while (*place && (*place)->node != current) place = &(*place)->next;
    if (!*place) {
        *place = allocate(sizeof **place);
        (*place)->node = current;
    }
    (*place)->count++;
}

static void on_call(unsigned int cpu, void *data)
{
    (void)cpu;
    if (current > 0) current = child(current, nodes[current].region, (uintptr_t)data);
}

static void on_mark(unsigned int cpu, void *data)
{
    (void)cpu;
    int hint = (int)(intptr_t)data;
    current = hint < 96 + REGIONS ? child(0, hint - 96, 0) : 0;
}

static int class_of(uint32_t word)
{
    int i = 0;
    while ((word & classes[i].mask) != classes[i].value) i++;
    return i;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    struct segment *segment = NULL;
    size_t length = qemu_plugin_tb_n_insns(block);
    for (size_t i = 0; i < length; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        uint64_t address = qemu_plugin_insn_vaddr(instruction);
        uint32_t word;
        memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
        if (!segment) {
            segment = allocate(sizeof *segment);
            segment->address = address;
            segment->next = segments;
            segments = segment;
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_segment, QEMU_PLUGIN_CB_NO_REGS, segment);
        }
        segment->length++;
        segment->of_class[class_of(word)]++;
        bool call = (word & 0xfc000000) == 0x94000000 || (word & 0xfffffc1f) == 0xd63f0000; /* BL, BLR */
        int hint = (word & 0xfffff01f) == 0xd503201f ? (int)(word >> 5 & 127) : 0;
        if (call) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_call, QEMU_PLUGIN_CB_NO_REGS,
                                                   (void *)(uintptr_t)address);
        }
        if (hint >= 96) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_mark, QEMU_PLUGIN_CB_NO_REGS,
                                                   (void *)(intptr_t)hint);
            segment = NULL; /* what follows belongs to another region */
        }
    }
    if (!start_address) start_address = qemu_plugin_start_code();
}

static void on_exit_of_program(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    static uint64_t sums[REGIONS + 1][CLASSES]; /* by region + 1; 0 is the whole program */
    FILE *file = fopen(report, "w");
    if (!file) {
        perror(report);
        return;
    }
    fprintf(file, "start %" PRIx64 "\n", start_address);
    for (int i = 0; i < node_count; i++) {
        fprintf(file, "node %d %d %d %" PRIx64 "\n", i, nodes[i].parent, nodes[i].region, nodes[i].call);
    }
    for (struct segment *s = segments; s; s = s->next) {
        for (struct tally *t = s->tallies; t; t = t->next) {
            int region = nodes[t->node].region;
            fprintf(file, "block %d %" PRIx64 " %u %" PRIu64 "\n", t->node, s->address, s->length, t->count);
            for (int c = 0; c < CLASSES; c++) {
                sums[0][c] += t->count * s->of_class[c];
                if (region >= 0) sums[region + 1][c] += t->count * s->of_class[c];
            }
        }
    }
    for (int region = -1; region < REGIONS; region++) {
        for (int c = 0; c < CLASSES; c++) {
            uint64_t sum = sums[region + 1][c];
            if (sum) fprintf(file, "class %d %s %" PRIu64 "\n", region, classes[c].name, sum);
        }
    }
    fclose(file);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) != 0) {
            fprintf(stderr, "count: unknown argument %s; expected out=FILE\n", argv[i]);
            return -1;
        }
        report = strdup(argv[i] + 4);
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_of_program, NULL);
    return 0;
}
