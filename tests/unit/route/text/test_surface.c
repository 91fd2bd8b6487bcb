/* SPDX-License-Identifier: Apache-2.0 */
/* Surface features, scripts and languages of texts of our own. */
#include "unit/cm.h"

#include "route/text/scan.h"
#include "route/text/surface.h"

#include <math.h>

enum { window_bytes = 512 };

static char window[FL_SCAN_WINDOW(window_bytes)];

static struct fl_text_facts facts_of(const char *system, const char *user)
{
    static struct fl_scan scan;
    struct fl_text_facts facts;
    fl_scan_begin(&scan, 0, (struct fl_scan_window){window, window_bytes});
    fl_scan_message(&scan, FL_TEXT_SYSTEM);
    fl_scan_text(&scan, fl_slice_cstr(system));
    fl_scan_message(&scan, FL_TEXT_USER);
    fl_scan_text(&scan, fl_slice_cstr(user));
    fl_scan_end(&scan, &facts);
    return facts;
}

static void assert_feature(const float *features, enum fl_surface which, double expected)
{
    if (fabs((double)features[which] - expected) > 1e-6) {
        print_error("feature %d is %f, expected %f\n", (int)which, (double)features[which],
                    expected);
        fail();
    }
}

static void test_features(void **state)
{
    (void)state;
    float f[FL_SURFACES];
    struct fl_text_facts facts = facts_of("Be brief.", "Is 7*6=42? Why?\n```c\n  int x;\n```\n");
    assert_int_equal(facts.user_bytes, 34);
    fl_surface(&facts, f);
    assert_feature(f, FL_SURFACE_LENGTH, log1p(34) / 10);
    assert_feature(f, FL_SURFACE_WORDS, log1p(5) / 8);
    assert_feature(f, FL_SURFACE_WORD_LEN, 10.0 / 50);
    assert_feature(f, FL_SURFACE_CAPITALS, .4);
    assert_feature(f, FL_SURFACE_DIGITS, 4.0 / 34);
    assert_feature(f, FL_SURFACE_PUNCT, 11.0 / 34);
    assert_feature(f, FL_SURFACE_MATH, 20.0 / 34);
    assert_feature(f, FL_SURFACE_HIGH, 0);
    assert_feature(f, FL_SURFACE_LINES, log1p(4) / 6);
    assert_feature(f, FL_SURFACE_INDENT, 1.0 / 5);
    assert_feature(f, FL_SURFACE_CODE, 1);
    assert_feature(f, FL_SURFACE_QUESTIONS, 2.0 / 3);
    assert_feature(f, FL_SURFACE_TURNS, log1p(2) / 5);
    assert_feature(f, FL_SURFACE_CONTEXT, 9.0 / 43);
    facts = facts_of("Be brief.", "");
    fl_surface(&facts, f);
    for (unsigned i = 0; i < FL_SURFACES; i++) {
        assert_feature(f, i, 0);
    }
    facts = facts_of("", "\u00e9\u00e9ab????");
    fl_surface(&facts, f);
    assert_feature(f, FL_SURFACE_HIGH, .4);
    assert_feature(f, FL_SURFACE_QUESTIONS, 1);
}

static void test_languages(void **state)
{
    (void)state;
    static const struct {
        const char *text, *language;
        enum fl_script script;
    } cases[] = {
        {"Write a short poem about the sea, and explain what it means.", "en", FL_SCRIPT_LATIN},
        {"Wie sp\u00e4t ist es, und was bedeutet das f\u00fcr die Sitzung?", "de", FL_SCRIPT_LATIN},
        {"Quel est le sens de cette phrase pour les \u00e9l\u00e8ves ?", "fr", FL_SCRIPT_LATIN},
        {"\u00bfQu\u00e9 es lo m\u00e1s importante para los alumnos del curso?", "es",
         FL_SCRIPT_LATIN},
        {"Che cosa sono le onde e come si propagano nel mare?", "it", FL_SCRIPT_LATIN},
        {"N\u00e3o sei como \u00e9 que os barcos chegam em Lisboa com a mar\u00e9.", "pt",
         FL_SCRIPT_LATIN},
        {"Wat is het verschil en hoe kan ik dat aan een kind uitleggen?", "nl", FL_SCRIPT_LATIN},
        {"Jak to jest, \u017ce nie ma ich na li\u015bcie i co z tym zrobi\u0107?", "pl",
         FL_SCRIPT_LATIN},
        {"x1 y2", "und", FL_SCRIPT_LATIN},
        {"12 + 34", "und", FL_SCRIPT_NONE},
        {"", "und", FL_SCRIPT_NONE},
        {"\u8bf7\u5199\u4e00\u9996\u8bd7", "zh", FL_SCRIPT_HAN},
        {"\u6d77\u306b\u3064\u3044\u3066\u66f8\u3044\u3066\u304f\u3060\u3055\u3044", "ja",
         FL_SCRIPT_JAPANESE},
        {"\ubc14\ub2e4\uc5d0 \ub300\ud574 \uc368 \uc8fc\uc138\uc694", "ko", FL_SCRIPT_KOREAN},
        {"\u041d\u0430\u043f\u0438\u0448\u0438 \u0441\u0442\u0438\u0445\u0438", "ru",
         FL_SCRIPT_CYRILLIC},
        {"\u041d\u0430\u043f\u0438\u0448\u0438 \u0432\u0456\u0440\u0448", "uk", FL_SCRIPT_CYRILLIC},
        {"\u03b3\u03c1\u03ac\u03c8\u03b5", "el", FL_SCRIPT_GREEK},
        {"\u05db\u05ea\u05d5\u05d1", "he", FL_SCRIPT_HEBREW},
        {"\u0627\u0643\u062a\u0628", "ar", FL_SCRIPT_ARABIC},
        {"\u0932\u093f\u0916\u094b", "hi", FL_SCRIPT_INDIC},
        {"\u0e40\u0e02\u0e35\u0e22\u0e19", "th", FL_SCRIPT_THAI},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fl_text_facts facts =
            facts_of("You are an assistant of the company.", cases[i].text);
        assert_int_equal(fl_script_of(&facts), cases[i].script);
        assert_string_equal(fl_language_of(&facts), cases[i].language);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_languages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
