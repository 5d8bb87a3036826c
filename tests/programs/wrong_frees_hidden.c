/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wrong_frees.cc as a library, which has C++'s operators in it and exports none of them. */

int wrong_frees(int argc, char **argv) __asm__("_Z11wrong_freesiPPc");

int main(int argc, char **argv)
{
	return wrong_frees(argc, argv);
}
