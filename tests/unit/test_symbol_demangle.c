// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/test_symbol.h"

#include <time.h>

#include "symbol/demangle.h"
#include "util/text.h"

static void expect(const char *mangled, const char *wanted)
{
	char *got = demangle(mangled, SIZE_MAX);

	assert_non_null(got);
	assert_string_equal(got, wanted);
	free(got);
}

static void test_plain(void **state)
{
	(void)state;
	expect("malloc", "malloc");
	expect("main", "main");
	expect("_start", "_start");
	expect("", "");
	expect("_", "_");
	expect("_Z", "_Z");
	expect("_R", "_R");
	expect("_D", "_D");
	expect("_Znope", "_Znope");
	expect("foo.part.0", "foo.part.0");
	expect("foo.constprop.0.cold", "foo.constprop.0.cold");
	expect("LazyCompile:*f /srv/@scope/a.js:3:1", "LazyCompile:*f /srv/@scope/a.js:3:1");
}

static void test_cpp(void **state)
{
	(void)state;
	expect("_Znwm", "operator new(unsigned long)");
	expect("_ZdaPv", "operator delete[](void*)");
	expect("_ZN5space5thing1fEi", "space::thing::f(int)");
	expect("_Z5typedIlET_S0_", "long typed<long>(long)");
	expect("_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()() const");
	expect("_Z3foov.cold", "foo() [clone .cold]");
	expect("_Z3foov.part.0.constprop.1", "foo() [clone .part.0] [clone .constprop.1]");
	expect("_ZNSt6vectorIiSaIiEE17_M_realloc_insertIJRKiEEEvN9__gnu_cxx17__normal_"
	       "iteratorIPiS1_"
	       "EEDpOT_",
	       "void std::vector<int, std::allocator<int> >::_M_realloc_insert<int "
	       "const&>(__gnu_cxx::__normal_iterator<int*, std::vector<int, std::allocator<int> > "
	       ">, int const&)");
}

static void test_rust_legacy(void **state)
{
	(void)state;
	expect("_ZN5alloc7raw_vec19RawVec$LT$T$C$A$GT$14grow_amortized17h0123456789abcdefE",
	       "alloc::raw_vec::RawVec<T,A>::grow_amortized");
	expect("_ZN4core3ptr85drop_in_place$LT$std..rt..lang_start$LT$$LP$$RP$$GT$..$u7b$$u7b$"
	       "closure$u7d$$u7d$$GT$17h0123456789abcdefE.llvm.123",
	       "core::ptr::drop_in_place<std::rt::lang_start<()>::{{closure}}>");
	expect("_ZN3std2rt10lang_start17h6f7b8a9c0d1e2f30E", "std::rt::lang_start");
}

static void test_rust_v0(void **state)
{
	(void)state;
	expect("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar");
	expect("_RINvNtC3std3mem8align_ofjE", "std::mem::align_of::<usize>");
	expect("_RNvC6_123foo3bar", "123foo::bar");
	expect("_RNCC4main1fs_0", "_RNCC4main1fs_0");
	expect("_RNCNvC4main4main0", "main::main::{closure#0}");
}

static void test_d(void **state)
{
	(void)state;
	expect("_Dmain", "D main");
	expect("_D3std5stdio4File5closeMFNeZv", "std.stdio.File.close()");
	expect("_D8demangle4testFaZv", "demangle.test(char)");
}

/* What reaches the terminal moves no cursor and is UTF-8. */
static void test_clean(void **state)
{
	char cut[] = "abcdef";

	(void)state;
	expect("a\033[31mb\r\n\t\x7f", "a?[31mb????");
	expect("caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80",
	       "caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80");
	expect("\xc2\x9b"
	       "31m",
	       "??31m");					    /* CSI */
	expect("\xc0\x80 \xe0\x80\x80 \xed\xa0\x80", "?? ??? ???"); /* overlong; a surrogate */
	expect("\xf4\x90\x80\x80 \xff \xc3", "???? ? ?");
	expect("\xe6\x97", "??");
	text__clean(cut, 3);
	assert_string_equal(cut, "abc");
}

static void expect_quick(const char *mangled, bool unchanged)
{
	struct timespec a, b;
	char *got;

	clock_gettime(CLOCK_MONOTONIC, &a);
	got = demangle(mangled, SIZE_MAX);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_non_null(got);
	assert_true(strlen(got) <= 65536);
	assert_true(b.tv_sec - a.tv_sec < 5);
	if (unchanged)
		assert_string_equal(got, mangled);
	free(got);
}

/* Names made to take gigabytes or all of the stack. */
static void test_hostile(void **state)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t size = 1 << 20, n;
	char *name = malloc(size);
	int i;

	(void)state;
	assert_non_null(name);
	/* Each argument is a pair of the one before: 2^34 characters. */
	n = snprintf(name, size, "_Z1f1AIiiE");
	for (i = 0; i < 34; i++)
		n += snprintf(name + n, size - n, "S_IS%c_S%c_E", digits[i], digits[i]);
	expect_quick(name, true);
	/* The same in Rust: positions are in base 62, of what stands 8 characters before. */
	expect_quick(
		"_RINvC1a1fTiiETB7_B7_ETBb_Bb_ETBj_Bj_ETBr_Br_ETBz_Bz_ETBH_BH_ETBP_BP_ETBX_BX_ET"
		"B15_B15_ETB1d_B1d_ETB1n_B1n_ETB1x_B1x_ETB1H_B1H_ETB1R_B1R_ETB21_B21_ETB2b_B2b_ET"
		"B2l_B2l_ETB2v_B2v_ETB2F_B2F_ETB2P_B2P_EE",
		false);
	/* And in D. */
	n = snprintf(name, size, "_D1a1fFHiiHQeQg");
	for (i = 0; i < 30; i++)
		n += snprintf(name + n, size - n, "HQgQi");
	snprintf(name + n, size - n, "Zv");
	expect_quick(name, true);
	expect_quick("_RNvB_1a", true);
	for (n = 4096; n < size; n *= 4) {
		memset(name, 'P', n);
		memcpy(name, "_Z1f", 4);
		strcpy(name + n - 2, "i");
		expect_quick(name, false);
		memset(name, 'A', n);
		memcpy(name, "_D1a1fF", 7);
		strcpy(name + n - 4, "iZv");
		expect_quick(name, false);
		for (i = 0; (size_t)i + 2 < n; i += 2)
			memcpy(name + i, "Nv", 2);
		memcpy(name, "_R", 2);
		name[n - 2] = '\0';
		expect_quick(name, false);
	}
	memset(name, 'x', size - 1);
	name[size - 1] = '\0';
	expect_quick(name, false);
	free(name);
}

/* Random changes of real names; a time limit for each. */
static void test_mutated(void **state)
{
	static const char *const names[] = {
		"_ZNSt6vectorIiSaIiEE17_M_realloc_insertIJRKiEEEvN9__gnu_cxx17__normal_iteratorIPi"
		"S1_EEDpOT_",
		"_ZNKSt3mapIiNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt4lessIiESaISt4"
		"pairIKiS5_EEE4findERS9_",
		"_RINvNtCs1234_7mycrate3foo3barINtNtC5alloc3vec3VechEuE",
		"_ZN5alloc7raw_vec19RawVec$LT$T$C$A$GT$14grow_amortized17h0123456789abcdefE",
		"_D3std9algorithm9iteration__T9MapResultSQBmQBfQBa__T3minVAyaa1_62ZQmTSQCqQBw"
		"__T4iotaTiTiZQkFiiZ6ResultZQCr5frontMFNaNbNdNiNfZv",
		"_D4core6stdcpp6vector__T6vectorTiTSQBd9allocator__T9allocatorTiZQoZQBq5arrayMFZi",
	};
	static const char alphabet[] = "0123456789_ZNSIEQTPKRBLDpvicJXAFHMsz$.";
	char name[512];
	unsigned int seed = 1;
	size_t i, k;

	(void)state;
	for (i = 0; i < 60000; i++) {
		size_t n, changes = 1 + i % 5;

		strcpy(name, names[i % ARRAY_SIZE(names)]);
		n = strlen(name);
		for (k = 0; k < changes; k++) {
			size_t at = 2 + rand_r(&seed) % (n - 2);

			if (rand_r(&seed) % 3 == 0 && n < 400) {
				size_t from = rand_r(&seed) % n, len = rand_r(&seed) % (n - from);

				len = len < 60 ? len : 60;
				memmove(name + at + len, name + at, n - at + 1);
				memmove(name + at, name + (from < at ? from : at), len);
				n = strlen(name);
			} else {
				name[at] = alphabet[rand_r(&seed) % (sizeof(alphabet) - 1)];
			}
		}
		expect_quick(name, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	    cmocka_unit_test(test_cpp),
		cmocka_unit_test(test_rust_legacy), cmocka_unit_test(test_rust_v0),
		cmocka_unit_test(test_d),	    cmocka_unit_test(test_clean),
		cmocka_unit_test(test_hostile),	    cmocka_unit_test(test_mutated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
