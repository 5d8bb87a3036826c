// SPDX-License-Identifier: GPL-2.0-or-later
#include "live/terminal.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "live/view.h"
#include "util/cleanup.h"
#include "util/utf8.h"

struct terminal {
	SCREEN *screen;
	bool color, utf8;
};

static void prepare_colors(struct terminal *t)
{
	static const short colors[][2] = {
		[CANVAS_ALARM] = {COLOR_RED, -1},
		[CANVAS_WARNING] = {COLOR_YELLOW, -1},
		[CANVAS_GRAPH] = {COLOR_CYAN, -1},
		[CANVAS_BAR] = {COLOR_WHITE, COLOR_BLUE},
	};
	size_t i;

	if (!t->color || !has_colors() || start_color() == ERR || use_default_colors() == ERR) {
		t->color = false;
		return;
	}
	for (i = CANVAS_ALARM; i < ARRAY_SIZE(colors); i++)
		init_pair(i, colors[i][0], colors[i][1]);
}

int terminal__open(bool color, struct terminal **ret)
{
	struct terminal *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	setlocale(LC_CTYPE, ""); /* which characters there are; numbers are the same everywhere */
	t->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	t->color = color;
	t->screen = newterm(NULL, stdout, stdin);
	if (!t->screen) {
		free(t);
		return -ENOTTY;
	}
	set_term(t->screen);
	prepare_colors(t);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	*ret = t;
	return 0;
}

void terminal__close(struct terminal *t)
{
	if (!t)
		return;
	endwin();
	delscreen(t->screen);
	free(t);
}

void terminal__resize(struct terminal *t)
{
	struct winsize size;

	(void)t;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
		resizeterm(size.ws_row, size.ws_col);
	clearok(curscr, TRUE);
}

int terminal__key(struct terminal *t)
{
	static const int keys[][2] = {
		{KEY_UP, VIEW_KEY_UP},
		{KEY_DOWN, VIEW_KEY_DOWN},
		{KEY_LEFT, VIEW_KEY_LEFT},
		{KEY_RIGHT, VIEW_KEY_RIGHT},
		{KEY_PPAGE, VIEW_KEY_PAGE_UP},
		{KEY_NPAGE, VIEW_KEY_PAGE_DOWN},
		{KEY_HOME, VIEW_KEY_HOME},
		{KEY_END, VIEW_KEY_END},
		{KEY_ENTER, '\n'},
	};
	int key = getch();
	size_t i;

	(void)t;
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i][0] == key)
			return keys[i][1];
	if (key == ERR)
		return -1;
	return key < 0x80 ? key : 0; /* what it does not know is a key too, and does nothing */
}

static attr_t attributes(const struct terminal *t, unsigned int style)
{
	static const attr_t plain[] = {
		[CANVAS_TITLE] = A_BOLD,
		[CANVAS_FAINT] = A_DIM,
		[CANVAS_ALARM] = A_BOLD,
		[CANVAS_WARNING] = A_BOLD,
		[CANVAS_BAR] = A_UNDERLINE | A_BOLD,
	};
	unsigned int base = style & ~CANVAS_SELECTED;
	attr_t a = base < ARRAY_SIZE(plain) ? plain[base] : A_NORMAL;

	if (t->color && base >= CANVAS_ALARM)
		a = COLOR_PAIR(base) | (base == CANVAS_BAR ? A_BOLD : 0);
	return style & CANVAS_SELECTED ? a | A_REVERSE : a;
}

static void put(void *context, int row, int column, int columns, unsigned int style,
		const char *text)
{
	const struct terminal *t = context;
	wchar_t wide[1024];
	int n = 0, taken = 0;

	while (*text && n < (int)ARRAY_SIZE(wide) - 1) {
		uint32_t code;
		int width;

		text += utf8__decode(text, &code);
		if (code == UTF8_NONE || (!t->utf8 && code >= 0x80))
			code = '?';
		width = wcwidth(code);
		if (width < 0) {
			code = '?';
			width = 1;
		}
		if (taken + width > columns)
			break;
		wide[n++] = code;
		taken += width;
	}
	while (taken < columns && n < (int)ARRAY_SIZE(wide) - 1) {
		wide[n++] = ' ';
		taken++;
	}
	attrset(attributes(t, style));
	mvaddnwstr(row, column, wide, n);
	attrset(A_NORMAL);
}

void terminal__begin(struct terminal *t, struct canvas *ret)
{
	erase();
	*ret = (struct canvas){
		.width = COLS, .height = LINES, .utf8 = t->utf8, .put = put, .context = t};
}

void terminal__flush(struct terminal *t)
{
	(void)t;
	refresh();
}
