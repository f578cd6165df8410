// How answers are scored: the primitives of RULER's and InfiniteBench's own scripts. Each returns a
// score between 0 and 1; docs/evaluation.md says which task uses which.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quarry::eval {

using Labels = std::span<const std::string>;  // acceptable answers; "the label" is the first

// Retrieval.

// The first run of ASCII digits is the label, digit by digit.
double FirstInt(std::string_view prediction, Labels labels);
// The first run of digits has the label's value: leading zeros do not count.
double FirstIntValue(std::string_view prediction, Labels labels);
// The label occurs, case and all.
double Contains(std::string_view prediction, Labels labels);
// The label occurs as whole words; ASCII case does not count.
double HasPhrase(std::string_view prediction, Labels labels);
// The label is one of the words, after line feeds and : " ' . , ? ! { } and the strings </s>, The
// and To have become blanks.
double WordIn(std::string_view prediction, Labels labels);
// The same characters, no strings, words in upper case (dialogue).
double UpperCaseWordIn(std::string_view prediction, Labels labels);

// RULER, after PostProcess; ASCII case does not count.

// Share of the labels that occur.
double AllIn(std::string_view prediction, Labels labels);
// Control characters become line feeds; stripped.
std::string PostProcess(std::string_view prediction);

// Numbers, code, choices.

// After line feeds . ` ' " : became blanks, the last word is the label as an integer.
double LastInt(std::string_view prediction, Labels labels);
// The first number: its whole part is the label, or its value where the label has a point.
double FirstNumber(std::string_view prediction, Labels labels);
// Share of the labels that the runs of digits begin with, in order.
double PrefixMatch(std::string_view prediction, Labels labels);
// labels: the text of the right option and its letter.
double ChoiceDebug(std::string_view prediction, Labels labels);
double ChoiceBook(std::string_view prediction, Labels labels);

// Overlap (overlap_metrics.cc); the best over all labels.

// F1 of words in lower case without punctuation and articles.
double F1English(std::string_view prediction, Labels labels);
// F1 of characters without punctuation and white space.
double F1Chinese(std::string_view prediction, Labels labels);
// ROUGE-Lsum of the rouge_score package, no stemming, sentences are lines.
double RougeLsum(std::string_view prediction, Labels labels);

// Share of the label's words, without stop words, that the prediction has: a stand-in for the judge
// model of the original needle test.
double WordRecall(std::string_view prediction, Labels labels);

// Shared.

// White-space-separated words.
std::vector<std::string> Words(std::string_view text);
std::string_view Strip(std::string_view text);
std::string LowerAscii(std::string_view text);

}  // namespace quarry::eval
