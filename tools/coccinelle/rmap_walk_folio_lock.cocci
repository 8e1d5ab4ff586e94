// SPDX-License-Identifier: GPL-2.0-only
/// An rmap walk of an anonymous folio needs the folio lock.
///
/// Looks at one function at a time: it finds a folio that the function itself
/// looks up and then walks, and that is locked on no way to the walk, and a
/// trylock that is skipped for anonymous folios.  A function that is handed its
/// folio by the caller is out of its sight: tools/locked-rmap check follows
/// those.
///
// Confidence: Moderate
// Comments: make coccicheck COCCI=/path/to/rmap_walk_folio_lock.cocci MODE=report M=$PWD/mm
// Options: --no-includes --include-headers

virtual report
virtual context
virtual org

@lookup exists@
expression F;
identifier walk =~ "^(rmap_walk|rmap_walk_locked|folio_lock_anon_vma_read|folio_get_anon_vma)$";
identifier from = {pfn_folio, pfn_to_page, pfn_to_online_page, vm_normal_folio, vm_normal_page,
		   damon_get_folio, page_idle_get_folio, lru_to_folio};
position p;
@@

\(F = from(...)\|F = page_folio(from(...))\)
... when != folio_lock(F)
    when != lock_page(...)
    when != folio_trylock(F)
    when != trylock_page(...)
    when != folio_lock_killable(F)
    when != \(VM_BUG_ON_FOLIO\|VM_WARN_ON_FOLIO\|VM_WARN_ON_ONCE_FOLIO\)(!folio_test_locked(F), ...)
    when != F = ...
walk@p(F, ...)

@skipped@
expression F;
identifier need;
position p;
@@

(
  need = !folio_test_anon(F) || folio_test_ksm(F);
|
  bool need = !folio_test_anon(F) || folio_test_ksm(F);
)
  ...
  if (need && !folio_trylock@p(F)) { ... return ...; }

@inline_test@
expression F;
position p;
@@

  if (<+... (!folio_test_anon(F) || folio_test_ksm(F)) ...+>) { <+... folio_trylock@p(F) ...+> }

@script:python depends on report@
p << lookup.p;
f << lookup.F;
@@

coccilib.report.print_report(p[0], "WARNING: rmap walk of %s, which is not locked" % (f))

@script:python depends on report@
p << skipped.p;
f << skipped.F;
@@

coccilib.report.print_report(p[0],
  "WARNING: %s is locked for the rmap walk only if it is not anonymous" % (f))

@script:python depends on report@
p << inline_test.p;
f << inline_test.F;
@@

coccilib.report.print_report(p[0],
  "WARNING: %s is locked for the rmap walk only if it is not anonymous" % (f))

@script:python depends on org@
p << lookup.p;
@@

coccilib.org.print_todo(p[0], "rmap walk of an unlocked folio")

@script:python depends on org@
p << skipped.p;
@@

coccilib.org.print_todo(p[0], "locked for the rmap walk only if not anonymous")

@script:python depends on org@
p << inline_test.p;
@@

coccilib.org.print_todo(p[0], "locked for the rmap walk only if not anonymous")

@depends on context@
expression F;
position lookup.p;
identifier walk;
@@

* walk@p(F, ...)

@depends on context@
expression F;
position skipped.p;
@@

* folio_trylock@p(F)

@depends on context@
expression F;
position inline_test.p;
@@

* folio_trylock@p(F)
