// Normalizers: the first stage of encoding, text to text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "quarry/status.h"

#include "text/replacement.h"
#include "text/unicode.h"

namespace quarry::text {

// Immutable; safe to use from any number of threads.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // Rewrites `text`, which is and stays valid UTF-8. Clears `at_start` if what `text` began with is
  // gone (later stages treat the very beginning of a text in a special way).
  virtual Status Apply(std::string& text, bool& at_start) const = 0;
};

// NFC, NFD, NFKC, NFKD.
class UnicodeNormalizer final : public Normalizer {
 public:
  explicit UnicodeNormalizer(NormalForm form) : form_(form) {}
  Status Apply(std::string& text, bool& at_start) const override;

 private:
  NormalForm form_;
};

class LowercaseNormalizer final : public Normalizer {
 public:
  Status Apply(std::string& text, bool& at_start) const override;
};

// Drops white space at the ends.
class StripNormalizer final : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  Status Apply(std::string& text, bool& at_start) const override;

 private:
  bool left_, right_;
};

// Drops marks (Mn, Mc, Me).
class StripAccentsNormalizer final : public Normalizer {
 public:
  Status Apply(std::string& text, bool& at_start) const override;
};

// Puts a string in front of every text that is not empty.
class PrependNormalizer final : public Normalizer {
 public:
  explicit PrependNormalizer(std::string prefix) : prefix_(std::move(prefix)) {}
  Status Apply(std::string& text, bool& at_start) const override;

 private:
  std::string prefix_;
};

// Replaces every occurrence of a string, or every match of an expression, by fixed content.
class ReplaceNormalizer final : public Normalizer {
 public:
  explicit ReplaceNormalizer(Replacement replacement) : replacement_(std::move(replacement)) {}
  Status Apply(std::string& text, bool& at_start) const override;

 private:
  Replacement replacement_;
};

// Writes every byte as its letter of the byte-level alphabet (see byte_level.h).
class ByteLevelNormalizer final : public Normalizer {
 public:
  Status Apply(std::string& text, bool& at_start) const override;
};

// The rules of BERT: drops control characters, puts blanks around ideographs, drops accents, lower
// case; each may be off.
struct BertRules {
  bool clean_text = true;
  bool pad_ideographs = true;
  bool strip_accents = true;
  bool lowercase = true;
};
class BertNormalizer final : public Normalizer {
 public:
  explicit BertNormalizer(BertRules rules) : rules_(rules) {}
  Status Apply(std::string& text, bool& at_start) const override;

 private:
  BertRules rules_;
};

// The cleaning of Google's NMT system: control characters go, odd blanks become U+0020.
class NmtNormalizer final : public Normalizer {
 public:
  Status Apply(std::string& text, bool& at_start) const override;
};

class NormalizerSequence final : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> parts)
      : parts_(std::move(parts)) {}
  Status Apply(std::string& text, bool& at_start) const override;

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
};

}  // namespace quarry::text
