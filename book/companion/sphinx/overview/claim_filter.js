// A filter above each list of claims. Without this script the list is complete.

(() => {
  const FIELDS = [["verdict", "Verdict"], ["section", "Section"], ["kind", "Kind"]];
  const valuesOf = (card, field) => card.dataset[field].split("|");

  function addFilter(list, number) {
    const cards = [...list.children];
    const selects = [];
    const filter = document.createElement("div");
    const count = document.createElement("p");
    filter.className = "claim-filter";
    filter.setAttribute("role", "group");
    filter.setAttribute("aria-label", "Filter of the claims");
    count.setAttribute("role", "status");

    function update() {
      const kept = cards.filter((card) => selects.every(({ name, value }) => !value || valuesOf(card, name).includes(value)));
      for (const card of cards) card.hidden = !kept.includes(card);
      count.textContent = `${kept.length} of ${cards.length} claims`;
    }

    for (const [field, label] of FIELDS) {
      const values = [...new Set(cards.flatMap((card) => valuesOf(card, field)))];
      if (values.length < 2) continue;
      if (field === "section") values.sort();
      const select = document.createElement("select");
      select.name = field;
      select.id = `claims-${number}-${field}`;
      select.append(new Option("all", ""), ...values.map((value) => new Option(value, value)));
      select.addEventListener("change", update);
      const name = document.createElement("label");
      name.htmlFor = select.id;
      name.textContent = label;
      name.append(select);
      filter.append(name);
      selects.push(select);
    }
    filter.append(count);
    update();
    list.before(filter);
  }

  document.querySelectorAll(".claim-cards").forEach(addFilter);
})();
