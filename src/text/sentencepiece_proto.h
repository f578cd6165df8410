// The contents of a SentencePiece model file (tokenizer.model): a protocol buffer, of which only
// what encoding and decoding need is read. Field numbers are those of sentencepiece_model.proto.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

namespace quarry::text {

struct SentencePieceFile {
  enum class PieceType { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };
  struct Piece {
    std::string text;
    float score = 0;
    PieceType type = PieceType::kNormal;
  };
  enum class ModelType { kUnigram = 1, kBpe, kWord, kChar };

  std::vector<Piece> pieces;  // by id
  ModelType model_type = ModelType::kUnigram;
  bool byte_fallback = false;
  bool treat_whitespace_as_suffix = false;
  std::string bos_piece = "<s>";
  std::string eos_piece = "</s>";
  std::string charsmap;  // see charsmap.h; may be empty
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool has_denormalizer = false;
};

Result<SentencePieceFile> ParseSentencePieceFile(std::string_view bytes);

}  // namespace quarry::text
