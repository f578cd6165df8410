// Rows of results: a Markdown table for people and JSON lines for tools, from the same fields.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace quarry::bench {

// Named fields in order.
class Row {
 public:
  Row& Text(std::string name, std::string value);
  Row& Number(std::string name, double value, int decimals);
  // A number in words of its own, "> 60": aligned as numbers are, a string in JSON.
  Row& Cell(std::string name, std::string value);
  // A number that was not measured: "-", and null in JSON.
  Row& NoNumber(std::string name);

 private:
  friend class Table;
  struct Field {
    std::string name;
    std::string text;  // as people read it
    bool is_text;      // aligned as such
    bool quoted;       // in JSON
    std::optional<double> number;
  };
  std::vector<Field> fields_;
};

// Rows with the same fields.
class Table {
 public:
  explicit Table(std::string title) : title_(std::move(title)) {}
  void Add(Row row) { rows_.push_back(std::move(row)); }
  const std::string& title() const { return title_; }
  bool empty() const { return rows_.empty(); }

  // Heading and table; nothing if there are no rows. Bars in a cell are escaped.
  std::string Markdown() const;
  // An object a row, with the title as "table"; numbers unrounded.
  std::string JsonLines() const;

 private:
  std::string title_;
  std::vector<Row> rows_;
};

}  // namespace quarry::bench
