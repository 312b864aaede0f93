/*
 * code.c: codes of vouchers: how they are made, and read as somebody typed them.
 *
 * A code has 16 characters out of 31: digits and capital letters without those that look
 * like another one (0 and O, 1, I and L).  The first 15 come from a strong random source, so
 * that there are 31^15, more than 10^22, and nobody guesses one.  The last one checks them as
 * the pure systems of ISO 7064 do, for the modulus 31 and the radix 3: with the value v(i)
 * of the character at place i, from the left and beginning with 1,
 *
 *	   v(1) * 3^15 + v(2) * 3^14 + ... + v(15) * 3 + v(16)  =  1  modulo 31
 *
 * As 31 is a prime, and no power of 3 is a multiple of it, no sum stays what it is if one
 * character becomes another one: what is added, (v' - v) * 3^k, is a multiple of 31 only if
 * v' = v.  If the characters at two places are swapped, (v - v') * (3^k - 3^l) is added; 3 is
 * a primitive root modulo 31, so that the powers from 3^0 to 3^29 all differ, and that is a
 * multiple of 31 only if v = v' as well.  So every single wrong character and every swap
 * of two, neighbours or not, is noticed.
 *
 * Who types a code may write it in small letters, and put dashes and blanks between.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "compat.h"

#define CODE_LENGTH 16

static const char alphabet[] = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";

#define MODULUS ((int) sizeof(alphabet) - 1)
#define RADIX 3
#define REMAINDER 1

StaticAssertDecl(sizeof(alphabet) - 1 == 31, "the proof above is for 31 characters");

PG_FUNCTION_INFO_V1(loyalty_new_code);
PG_FUNCTION_INFO_V1(loyalty_read_code);

/* The sum of all characters so far, with one more behind them. */
static int
add_character(int sum, int value)
{
	return (sum * RADIX + value) % MODULUS;
}

/* The value of a character, small letters included; -1: it is in no code. */
static int
value_of(char character)
{
	const char *place = character == '\0' ? NULL : strchr(alphabet, pg_ascii_toupper((unsigned char) character));

	return place == NULL ? -1 : place - alphabet;
}

/* Bytes by chance, as many as a code needs nearly always. */
typedef struct Chance
{
	uint8		bytes[CODE_LENGTH + 8];
	int			left;			/* not used yet */
} Chance;

/* A character by chance, each with the same probability. */
static int
random_value(Chance *chance)
{
	uint8		byte;

	/* the largest multiple of 31 among the values of a byte is 248 */
	do
	{
		if (chance->left == 0)
		{
			if (!pg_strong_random(chance->bytes, sizeof(chance->bytes)))
				ereport(ERROR,
						(errcode(ERRCODE_INTERNAL_ERROR),
						 errmsg("could not generate random values")));
			chance->left = sizeof(chance->bytes);
		}
		byte = chance->bytes[--chance->left];
	} while (byte >= 256 / MODULUS * MODULUS);
	return byte % MODULUS;
}

/*
 * new_code() returns text: a code that nobody has.
 */
Datum
loyalty_new_code(PG_FUNCTION_ARGS)
{
	char		code[CODE_LENGTH];
	Chance		chance = {.left = 0};
	int			sum = 0;

	for (int i = 0; i < CODE_LENGTH - 1; i++)
	{
		int			value = random_value(&chance);

		code[i] = alphabet[value];
		sum = add_character(sum, value);
	}
	code[CODE_LENGTH - 1] = alphabet[(REMAINDER + MODULUS - add_character(sum, 0)) % MODULUS];
	PG_RETURN_TEXT_P(cstring_to_text_with_len(code, CODE_LENGTH));
}

/*
 * read_code(text) returns text: a code as it is stored, from what somebody typed; null if
 * that cannot be a code.
 */
Datum
loyalty_read_code(PG_FUNCTION_ARGS)
{
	text	   *typed = PG_GETARG_TEXT_PP(0);
	const char *bytes = VARDATA_ANY(typed);
	int			count = VARSIZE_ANY_EXHDR(typed);
	char		code[CODE_LENGTH];
	int			length = 0;
	int			sum = 0;

	for (int i = 0; i < count; i++)
	{
		int			value;

		if (bytes[i] == '-' || bytes[i] == ' ')
			continue;
		value = value_of(bytes[i]);
		if (value < 0 || length == CODE_LENGTH)
			PG_RETURN_NULL();
		code[length++] = alphabet[value];
		sum = add_character(sum, value);
	}
	if (length != CODE_LENGTH || sum != REMAINDER)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(code, CODE_LENGTH));
}
