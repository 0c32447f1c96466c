/*
 * main.c
 *	  pg_epsilon: which command, with which options.
 */
#include "cli/cli_internal.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "core/crypto/crypto.h"

typedef struct Command
{
	const char *name;
	const char *options;		/* letters of main_options that it takes */
	EpsCliExit	(*run) (const EpsCliArgs *args);
	const char *summary;
	const char *help;
} Command;

static const Command commands[] = {
	{"export", "doP", eps_cli_command_export, "take an export of the ledger from a server",
		"pg_epsilon export --dbname=CONNINFO --output=FOLDER [--public]\n\n"
		"Writes the ledger as files into a new folder: checkpoint, tiles and entries as C2SP\n"
		"tlog-tiles has them, and the openings that auditors may see (not with --public).\n"},
	{"verify", "dksjP", eps_cli_command_verify, "check a ledger without trusting the server",
		"pg_epsilon verify FOLDER | --dbname=CONNINFO [--key=VKEY] [--since=FILE] [--json] [--public]\n\n"
		"Recomputes everything that an export holds and names the first bad entry.\n"
		"  --key=VKEY    a verifier key of this log that you trust; without one, the first key\n"
		"                is believed as the export has it\n"
		"  --since=FILE  a checkpoint that you kept: the log must continue it\n"
		"  --public      look at the public part only\n"},
	{"fsck", "jr", eps_cli_command_fsck, "find damaged files of an export and rebuild what can be",
		"pg_epsilon fsck FOLDER [--json] [--repair]\n\n"
		"Says which files of an export are damaged. Tiles can be rebuilt from the entries:\n"
		"--repair does it where the entries give the signed root. Entries and openings must\n"
		"come from another copy.\n"},
	{"prove", "dnofP", eps_cli_command_prove, "make a proof of one entry that can be checked offline",
		"pg_epsilon prove --seq=N FOLDER | --dbname=CONNINFO [--fields=LIST] [--output=FILE] [--public]\n\n"
		"Writes entry N, its inclusion proof and the checkpoint as JSON, with the fields named\n"
		"(text,who,purpose,mechanism,price,charges,links,owners; default: none). What is not\n"
		"named stays hidden.\n"},
	{"check", "kj", eps_cli_command_check, "check a proof that prove made",
		"pg_epsilon check FILE [--key=VKEY] [--json]\n\n"
		"Needs nothing but the file, and a key that you trust.\n"},
	{"statement", "dDOockj", eps_cli_command_statement, "an owner's balance with its proof",
		"pg_epsilon statement --dbname=CONNINFO --dataset=NAME --owner=OWNER [--output=FILE] [--key=VKEY] [--json]\n"
		"pg_epsilon statement --check=FILE [--key=VKEY] [--json]\n\n"
		"Asks for an owner's balance and consents with their proof, and checks it; or checks\n"
		"one that is in a file.\n"},
	{"witness", "dSkNj", eps_cli_command_witness, "remember a log, and cosign it while it only grows",
		"pg_epsilon witness init --state=FILE --name=NAME\n"
		"pg_epsilon witness FOLDER | --dbname=CONNINFO --state=FILE [--key=VKEY] [--json]\n\n"
		"Compares the log with the last checkpoint that this witness saw, which is kept on disk\n"
		"before an answer is given, and prints the cosigned checkpoint. --key names the log's\n"
		"verifier key the first time.\n"},
	{"report", "doPkt", eps_cli_command_report, "write a report for people as one HTML file",
		"pg_epsilon report --output=FILE.html FOLDER | --dbname=CONNINFO [--key=VKEY] [--public] [--title=TEXT]\n\n"
		"Verifies first. The public form shows only what the public part of the ledger shows.\n"}
};

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct option main_options[] = {
	{"dbname", required_argument, NULL, 'd'},
	{"output", required_argument, NULL, 'o'},
	{"key", required_argument, NULL, 'k'},
	{"since", required_argument, NULL, 's'},
	{"state", required_argument, NULL, 'S'},
	{"name", required_argument, NULL, 'N'},
	{"seq", required_argument, NULL, 'n'},
	{"fields", required_argument, NULL, 'f'},
	{"dataset", required_argument, NULL, 'D'},
	{"owner", required_argument, NULL, 'O'},
	{"check", required_argument, NULL, 'c'},
	{"title", required_argument, NULL, 't'},
	{"json", no_argument, NULL, 'j'},
	{"public", no_argument, NULL, 'P'},
	{"repair", no_argument, NULL, 'r'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0}
};

static void
show_help(void)
{
	puts("pg_epsilon: the ledger of answers that were given with differential privacy\n\n"
		 "usage: pg_epsilon COMMAND [OPTION ...]\n");
	for (size_t i = 0; i < NCOMMANDS; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	puts("\npg_epsilon COMMAND --help tells more; pg_epsilon --version the version.\n"
		 "Exit status: 0 all is well; 1 what was looked at is wrong; 2 nothing was decided\n"
		 "(usage, unreadable input, no connection). Witness: 3 another log than before\n"
		 "(rollback or fork); 4 no proof that the log continues the one before.");
}

static void
show_command_help(const Command *command)
{
	printf("usage: %s\nExit status: 0 all is well; 1 what was looked at is wrong; 2 nothing was decided%s.\n",
		   command->help, command->run == eps_cli_command_witness ? ";\n3 another log than before (rollback, or another root at the same size); 4 no proof that\nthe log continues the one before" : "");
}

static bool
read_seq(uint64_t *out, const char *text)
{
	char	   *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && *out >= 1 && *out <= EPS_TREE_MAX;
}

static bool
take_option(EpsCliArgs *args, int letter, const char *value)
{
	const char **text[128] = {
		['d'] = &args->dbname,['o'] = &args->output,['k'] = &args->key,['s'] = &args->since,['S'] = &args->state,
		['N'] = &args->name,['f'] = &args->fields,['D'] = &args->dataset,['O'] = &args->owner,['c'] = &args->check,
		['t'] = &args->title
	};

	args->json |= letter == 'j';
	args->public_only |= letter == 'P';
	args->repair |= letter == 'r';
	if (letter == 'n')
		return read_seq(&args->seq, value);
	if (text[letter] != NULL)
		*text[letter] = value;
	return true;
}

static int
run_command(const Command *command, int argc, char **argv)
{
	EpsCliArgs	args = {0};
	int			letter;

	while ((letter = getopt_long(argc, argv, "", main_options, NULL)) != -1)
	{
		if (letter == 'h')
		{
			show_command_help(command);
			return EPS_CLI_GOOD;
		}
		if (letter == '?' || strchr(command->options, letter) == NULL || !take_option(&args, letter, optarg))
		{
			eps_cli_say("wrong option; pg_epsilon %s --help tells which there are", command->name);
			return EPS_CLI_TROUBLE;
		}
	}
	args.positional = argv + optind;
	args.npositional = argc - optind;
	return (int) command->run(&args);
}

/* What was written must have gone through, or the status would be a lie. */
static int
finish(int status)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return status;
	eps_cli_say("standard output: %s", strerror(errno));
	return EPS_CLI_TROUBLE;
}

int
eps_cli_main(int argc, char **argv)
{
	if (argc < 2)
	{
		show_help();
		return EPS_CLI_TROUBLE;
	}
	if (eps_crypto_init() != EPS_OK)
	{
		eps_cli_say("the crypto library does not start");
		return EPS_CLI_TROUBLE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
	{
		show_help();
		return finish(EPS_CLI_GOOD);
	}
	if (strcmp(argv[1], "--version") == 0)
	{
		puts("pg_epsilon " EPS_VERSION);
		return finish(EPS_CLI_GOOD);
	}
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return finish(run_command(&commands[i], argc - 1, argv + 1));
	eps_cli_say("there is no command %s; pg_epsilon --help lists them", argv[1]);
	return EPS_CLI_TROUBLE;
}
