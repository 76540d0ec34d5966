namespace Faultline.Lab.Demo;

/// <summary>One subject of the help centre: what customers ask, what the articles say now, and what they said before the rewrite.</summary>
/// <param name="Before">The article as it was indexed before the help centre was rewritten.</param>
internal sealed record Article(string Id, string[] Questions, string Now, string Before, string Answer, string AnswerFromBefore);

/// <summary>The knowledge of the simulated support bot.</summary>
internal static class HelpCentre
{
    public static readonly IReadOnlyList<Article> Articles =
    [
        new("kb-0112", ["How do I get a refund for an annual plan?", "Can I get my money back after two weeks on the yearly plan?", "refund annual subscription"],
            "Annual plans can be refunded in full within 30 days of purchase. Open Billing, choose the invoice and press Request refund. The money is back on the card within 5 working days.",
            "Plans are billed monthly. Contact support by e-mail to discuss a refund.",
            "You can have the full amount back within 30 days of purchase: open Billing, pick the invoice and press Request refund. It is on your card within 5 working days.",
            "Plans are billed monthly, so please e-mail support to talk about a refund."),
        new("kb-0147", ["How do I add a colleague to my workspace?", "invite team member", "Where can I invite somebody to the team?"],
            "Workspace owners invite people under Settings, Members, Invite. Guests see only the projects they are added to and are free.",
            "Ask your account manager to create further accounts for you.",
            "As the owner, open Settings, Members and press Invite. Guests are free and see only the projects you add them to.",
            "Your account manager can create further accounts."),
        new("kb-0203", ["The export stops at 10,000 rows, why?", "How can I export more than 10000 rows?", "CSV export is cut off"],
            "Exports are no longer limited. Exports above 100,000 rows are prepared in the background and sent as a link that is valid for 7 days.",
            "An export holds at most 10,000 rows. Split the period into smaller parts.",
            "There is no limit any more: above 100,000 rows the file is prepared in the background and you receive a link, valid for 7 days.",
            "An export holds at most 10,000 rows; please split the period."),
        new("kb-0219", ["How do I turn on two-factor sign-in?", "2FA setup", "Can I require two-factor for everyone?"],
            "Two-factor sign-in is under Profile, Security. Owners can require it for all members under Settings, Security policy; members have 14 days to set it up.",
            "Two-factor sign-in is planned for a later release.",
            "Open Profile, Security to set it up for yourself. As an owner you can require it for everybody under Settings, Security policy.",
            "Two-factor sign-in is planned for a later release."),
        new("kb-0254", ["Which regions can my data be stored in?", "Is data kept in the EU?", "data residency options"],
            "New workspaces choose between Frankfurt, Virginia and Sydney. An existing workspace is moved on request within one maintenance window.",
            "All data is stored in Virginia.",
            "You choose Frankfurt, Virginia or Sydney when the workspace is made; an existing one can be moved on request.",
            "All data is stored in Virginia."),
        new("kb-0288", ["How do I rotate an API key?", "my API key leaked, what now?", "replace api token"],
            "Create a second key under Developers, Keys, switch your program over, then revoke the first. Both work side by side for as long as you need.",
            "There is one key per workspace. Regenerating it ends the old one at once.",
            "Make a second key under Developers, Keys, move your program to it, then revoke the first; both work side by side.",
            "There is one key per workspace, and regenerating it ends the old one at once."),
        new("kb-0301", ["Why was my invoice split in two?", "two invoices this month", "What is the proration line on my bill?"],
            "When seats are added during a period, the rest of the period is billed on a second invoice, marked Proration. From the next period on there is one invoice again.",
            "Seats can only be changed at the end of a period.",
            "Seats were added during the period: the rest of it is on a second invoice, marked Proration. Next period there is one invoice again.",
            "Seats can only be changed at the end of a period."),
        new("kb-0333", ["How can I restore a deleted project?", "I deleted a project by mistake", "undelete project"],
            "Deleted projects stay in the bin for 30 days. An owner restores them under Settings, Bin; members and permissions come back too.",
            "A deleted project cannot be restored.",
            "It is in the bin for 30 days: as an owner open Settings, Bin and press Restore. Members and permissions come back too.",
            "A deleted project cannot be restored."),
    ];

    public const string Instructions = "You are the support assistant of Northwind Cloud. Answer only from the articles given. Be brief. If the articles do not answer the question, say so.";

    public static readonly IReadOnlyList<string> Topics =
    [
        "the market for heat pumps in northern Europe", "supply risks of rare-earth magnets", "battery recycling rules in 2026", "shipping costs through the Suez canal",
        "wage growth in software engineering", "hospital staffing after the reform", "prices of industrial land near ports", "adoption of passkeys in banking",
    ];
}
